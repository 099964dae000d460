// SPDX-License-Identifier: MIT
#pragma once

// Numbers as text. Strict parsers: the whole text must be the value. Each returns 0 or -EINVAL / -ERANGE and writes
// its result on success only.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Decimal digits only: no sign, no spaces, no base prefix.
int parse_u64_n(const char *text, size_t len, uint64_t *ret);
int parse_u64(const char *text, uint64_t *ret);

// The value of a hex digit in either case; -EINVAL: it is none.
int parse_hex_digit(char c);

// The same with K, M, G or T behind it, in either case: that many times 1024, 1024 * 1024 …
int parse_size(const char *text, uint64_t *ret);

// As parse_u64(), with inclusive bounds.
int parse_u64_range(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

// Decimal digits, at least `width` (<= 20) of them, without a NUL: at most 20. Returns how many. Several times
// faster than printf().
size_t format_u64(char *text, uint64_t value, size_t width);

extern const char digit_pairs[]; // "00", "01", … "99"

// The same for a value < 100 and width 2.
static inline size_t format_2_digits(char *text, unsigned value) {
    memcpy(text, &digit_pairs[2 * value], 2);
    return 2;
}
