// SPDX-License-Identifier: MIT

#include "proto/date.h"

#include <errno.h>
#include <stdio.h>

static int date_days_in_month(int month, int year) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

// Whether the text has the shape of a date, possible or not. Writes its three numbers and their
// lengths.
static bool date_split(const char *text, size_t len, uint64_t value[3], size_t digits[3],
                       char *ret_separator) {
    const char *p = text, *end = text + len;

    for (int i = 0; i < 3; i++) {
        const char *begin = p;

        while (p < end && *p >= '0' && *p <= '9')
            p++;
        digits[i] = p - begin;
        if (digits[i] < 1 || digits[i] > 4 || parse_u64_n(begin, digits[i], &value[i]) < 0)
            return false;
        if (i == 2)
            break;
        if (p == end || (*p != '/' && *p != '-') || (i == 1 && *p != *ret_separator))
            return false;
        *ret_separator = *p++;
    }
    return p == end;
}

bool date_has_shape(const char *text, size_t len) {
    uint64_t value[3];
    size_t digits[3];
    char separator;

    return date_split(text, len, value, digits, &separator);
}

int date_parse(const char *text, size_t len, Date *ret, bool *ret_long_year, bool *ret_dashed) {
    uint64_t value[3];
    size_t digits[3];
    char separator;
    int year;

    if (!date_split(text, len, value, digits, &separator))
        return -EINVAL;
    if (digits[0] > 2 || digits[1] > 2 || (digits[2] != 2 && digits[2] != 4))
        return -EINVAL;
    year = (int)value[2] + (digits[2] == 2 ? 2000 : 0);
    if (value[1] < 1 || value[1] > 12 || value[0] < 1 ||
        value[0] > (uint64_t)date_days_in_month((int)value[1], year))
        return -EINVAL;
    *ret = (Date){.year = year, .month = value[1], .day = value[0]};
    *ret_long_year = digits[2] == 4;
    *ret_dashed = separator == '-';
    return 0;
}

Date date_from_time(int64_t unix_seconds) {
    time_t t = unix_seconds;
    struct tm tm;

    // gmtime_r() fails far outside of these years.
    if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 < 2000)
        return (Date){.year = 2000, .month = 1, .day = 1};
    if (tm.tm_year + 1900 > 2099)
        return (Date){.year = 2099, .month = 12, .day = 31};
    return (Date){.year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday};
}

void date_format_http(time_t time, char text[static DATE_HTTP_BYTES + 1]) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;

    // Not strftime(3), which would write the names of the locale.
    if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    (void)snprintf(text, DATE_HTTP_BYTES + 1, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                   days[tm.tm_wday], tm.tm_mday % 100u, months[tm.tm_mon],
                   (tm.tm_year + 1900) % 10000u, tm.tm_hour % 100u, tm.tm_min % 100u,
                   tm.tm_sec % 100u);
}
