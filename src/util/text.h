// SPDX-License-Identifier: MIT
#pragma once

// Text that may come from a stranger: check it before it is kept, escape it before it is shown.
// Lengths are in bytes, widths in terminal columns.

#include <stdbool.h>
#include <stddef.h>

// Valid UTF-8 without NUL and noncharacters. D-Bus demands no less.
bool text_is_plain(const char *text, size_t len); // printable ASCII
bool text_is_utf8(const char *text, size_t len);

// C0, DEL or C1: what a terminal may act on.
bool text_has_control(const char *text, size_t len);

// A copy in which nothing acts on a terminal or breaks a log line: controls, bidirectional
// overrides, backslashes and bytes that are not UTF-8 become \xNN. Caller frees; NULL = no memory.
char *text_escape(const char *text, size_t len);

// A copy that is valid UTF-8: the text itself, or text_escape() of it. Caller frees; NULL = no memory.
char *text_valid(const char *text);

// Terminal columns of valid UTF-8.
size_t text_width(const char *text);

// Bytes of the longest prefix of valid UTF-8 that fits `columns`.
size_t text_prefix(const char *text, size_t columns);
