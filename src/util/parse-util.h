// SPDX-License-Identifier: MIT
#pragma once

// Numbers as text. The parsers are strict: the whole text must be the value. Each returns 0,
// -EINVAL or -ERANGE and writes its result only on success.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Decimal digits only: no sign, no spaces, no base prefix.
int parse_u64_n(const char *text, size_t len, uint64_t *ret);
int parse_u64(const char *text, uint64_t *ret);

// The value of a hex digit in either case, or -EINVAL.
int parse_hex_digit(char c);

// As parse_u64(), with an optional K, M, G or T in either case: times 1024, 1024 * 1024, and so on.
int parse_size(const char *text, uint64_t *ret);

// As parse_u64(), with inclusive bounds.
int parse_u64_range(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

// Writes decimal digits, at least `width` (<= 20) and at most 20 of them, without a NUL. Returns
// how many. It is several times as fast as printf().
size_t format_u64(char *text, uint64_t value, size_t width);

extern const char digit_pairs[]; // "00", "01", … "99"

// As format_u64() for a value < 100 and width 2.
static inline size_t format_2_digits(char *text, unsigned value) {
    memcpy(text, &digit_pairs[2 * value], 2);
    return 2;
}
