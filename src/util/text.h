// SPDX-License-Identifier: MIT
#pragma once

// Text that may come from a stranger: check it before keeping it, escape it before showing it.
// Lengths are in bytes, widths in terminal columns.

#include <stdbool.h>
#include <stddef.h>

bool text_is_plain(const char *text, size_t len); // printable ASCII
// Valid UTF-8 without NUL and noncharacters. D-Bus requires this.
bool text_is_utf8(const char *text, size_t len);

// Whether it has C0, DEL or C1 characters, which a terminal may act on.
bool text_has_control(const char *text, size_t len);

// Returns a copy that cannot affect a terminal or break a log line. Controls, bidirectional
// overrides, backslashes and bytes that are not UTF-8 become \xNN. Caller frees. NULL: out of
// memory.
char *text_escape(const char *text, size_t len);

// Returns a copy that is valid UTF-8: the text itself, or text_escape() of it. Caller frees. NULL:
// out of memory.
char *text_valid(const char *text);

// Terminal columns of valid UTF-8.
size_t text_width(const char *text);

// Bytes of the longest prefix of valid UTF-8 that fits `columns`.
size_t text_prefix(const char *text, size_t columns);
