// SPDX-License-Identifier: MIT
#pragma once

// Days of the calendar, as records carry them, and the date of an HTTP header. Pure.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "util/parse-util.h"

typedef struct Date {
    uint16_t year; // 2026
    uint8_t month; // 1..12
    uint8_t day;   // 1..31
} Date;

enum {
    // What date_put() writes at most: "DD/MM/YYYY".
    DATE_BYTES_MAX = 10,
    DATE_HTTP_BYTES = 29,
};

// Whether the text looks like a date: three numbers with slashes or dashes between them. The day
// need not exist.
bool date_has_shape(const char *text, size_t len);

// Parses "DD/MM/YY", "DD-MM-YYYY" and the like. 0, or -EINVAL: another shape or an impossible day.
int date_parse(const char *text, size_t len, Date *ret, bool *ret_long_year, bool *ret_dashed);

// The day in UTC. Days outside 2000..2099 become the nearest one inside, as two digits of a year
// cannot tell them.
Date date_from_time(int64_t unix_seconds);

static inline bool date_is_later(const Date *a, const Date *b) {
    return a->year != b->year     ? a->year > b->year
           : a->month != b->month ? a->month > b->month
                                  : a->day > b->day;
}

// Writes the date at `p`, day first and without a NUL. Returns where it ends.
static inline char *date_put(char *p, Date date, bool long_year, bool dashed) {
    const char separator = dashed ? '-' : '/';

    p += format_2_digits(p, date.day);
    *p++ = separator;
    p += format_2_digits(p, date.month);
    *p++ = separator;
    if (long_year)
        p += format_2_digits(p, date.year / 100 % 100);
    return p + format_2_digits(p, date.year % 100);
}

// Writes "Sun, 06 Nov 1994 08:49:37 GMT". A time that needs more bytes becomes the epoch.
void date_format_http(time_t time, char text[static DATE_HTTP_BYTES + 1]);
