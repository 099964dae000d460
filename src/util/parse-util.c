// SPDX-License-Identifier: MIT

#include "util/parse-util.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "util/macro.h"

int parse_u64_n(const char *text, size_t len, uint64_t *ret) {
    uint64_t value = 0;

    if (len == 0)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
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

const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                           "25262728293031323334353637383940414243444546474849"
                           "50515253545556575859606162636465666768697071727374"
                           "75767778798081828384858687888990919293949596979899";

static size_t parse_digit_count(uint64_t value) {
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    // 1233 / 4096 approximates log10(2) and never overestimates for 64 bits.
    const size_t n = (size_t)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;

    return n + (value >= powers[n]);
}

// Writes two digits at a time, in place. FT writes ten numbers for each record that it finds.
size_t format_u64(char *text, uint64_t value, size_t width) {
    const size_t n = MAX(parse_digit_count(value), width);
    char *p = text + n;

    while (value >= 10) {
        p -= 2;
        memcpy(p, &digit_pairs[value % 100 * 2], 2);
        value /= 100;
    }
    if (value > 0)
        *--p = (char)('0' + value);
    while (p > text)
        *--p = '0';
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

int parse_size(const char *text, uint64_t *ret) {
    static const char units[] = "KMGT";
    size_t len = strlen(text);
    const char *unit = len > 0 ? strchr(units, toupper((unsigned char)text[len - 1])) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    uint64_t value;
    int r;

    r = parse_u64_n(text, len - (unit ? 1 : 0), &value);
    if (r < 0)
        return r;
    if (value > UINT64_MAX >> shift)
        return -ERANGE;
    *ret = value << shift;
    return 0;
}
