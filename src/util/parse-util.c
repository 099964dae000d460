// SPDX-License-Identifier: MIT

#include "util/parse-util.h"

#include <errno.h>
#include <string.h>

int parse_u64_n(const char *text, size_t len, uint64_t *ret) {
    uint64_t value = 0;

    if (len == 0)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t) (text[i] - '0'), &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

int parse_u64(const char *text, uint64_t *ret) {
    return parse_u64_n(text, strlen(text), ret);
}

int parse_u64_range(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
    uint64_t value;
    int r;

    r = parse_u64(text, &value);
    if (r < 0)
        return r;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

size_t format_u64(char *text, uint64_t value, size_t width) {
    char digits[20]; // of UINT64_MAX
    size_t n = 0;

    for (; value > 0 || n < width; value /= 10)
        digits[sizeof(digits) - ++n] = (char) ('0' + value % 10);
    memcpy(text, digits + sizeof(digits) - n, n);
    return n;
}

int parse_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -EINVAL;
}
