// SPDX-License-Identifier: MIT
#pragma once

// Strict parsers: the whole text must be the value. Each returns 0 or -EINVAL / -ERANGE and writes
// its result on success only.

#include <stddef.h>
#include <stdint.h>

// Decimal digits only: no sign, no spaces, no base prefix.
int parse_u64_n(const char *text, size_t len, uint64_t *ret);
int parse_u64(const char *text, uint64_t *ret);

// As parse_u64(), with inclusive bounds.
int parse_u64_range(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
