// SPDX-License-Identifier: MIT
#pragma once

// What every unit test includes: cmocka and the headers that it needs first, and text with its
// length.

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/macro.h"

// A literal and its length, so that a table row may contain NUL bytes.
#define TEXT(literal) (literal), sizeof(literal) - 1

#define TEXT_255                                                       \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

// Prints which row of a table runs, because cmocka only reports the line.
#define ROW(row) print_message("  %s\n", (row)->proves)
