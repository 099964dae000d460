// SPDX-License-Identifier: MIT

#include "ctl/format.h"

#include <stdio.h>
#include <time.h>

#include "util/macro.h"

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

// Returns the unit to write `bytes` in, and its divisor.
static unsigned format_size_unit(uint64_t bytes, double *ret_divisor) {
    unsigned unit = 0;
    double divisor = 1;

    // From 1023.95 on, one decimal would round to 1024.0.
    while (unit + 1 < ELEMENTSOF(units) &&
           (unit == 0 ? bytes >= 1024 : (double)bytes / divisor >= 1023.95)) {
        divisor *= 1024;
        unit++;
    }
    *ret_divisor = divisor;
    return unit;
}

void format_size(uint64_t bytes, char text[static FORMAT_MAX]) {
    double divisor;
    unsigned unit = format_size_unit(bytes, &divisor);

    snprintf(text, FORMAT_MAX, "%.*f %s", unit == 0 ? 0 : 1, (double)bytes / divisor, units[unit]);
}

void format_size_of(uint64_t part, uint64_t whole, char text[static FORMAT_MAX]) {
    double divisor;
    unsigned unit = format_size_unit(whole, &divisor);
    int decimals = unit == 0 ? 0 : 1;

    snprintf(text, FORMAT_MAX, "%.*f/%.*f %s", decimals, (double)part / divisor, decimals,
             (double)whole / divisor, units[unit]);
}

void format_rate(double rate, char text[static FORMAT_MAX]) {
    double mb = rate / 1e6;

    snprintf(text, FORMAT_MAX, "%.*f MB/s", mb >= 99.95 ? 0 : mb >= 0.995 ? 1 : 2, mb);
}

void format_left(uint64_t seconds, char text[static FORMAT_MAX]) {
    unsigned long long s = seconds;

    if (s < 60)
        snprintf(text, FORMAT_MAX, "%llu s", s);
    else if (s < 3600)
        snprintf(text, FORMAT_MAX, "%llu min %02llu s", s / 60, s % 60);
    else if (s < UINT64_C(24) * 3600)
        snprintf(text, FORMAT_MAX, "%llu h %02llu min", s / 3600, s / 60 % 60);
    else
        snprintf(text, FORMAT_MAX, "%llu d %llu h", s / 86400, s / 3600 % 24);
}

void format_duration(uint64_t usec, char text[static FORMAT_MAX]) {
    if (usec < 95 * USEC_PER_MSEC)
        snprintf(text, FORMAT_MAX, "%u ms", (unsigned)((usec + 500) / USEC_PER_MSEC));
    else if (usec < 9950 * USEC_PER_MSEC)
        snprintf(text, FORMAT_MAX, "%.1f s", (double)usec / USEC_PER_SEC);
    else
        format_left((usec + USEC_PER_SEC / 2) / USEC_PER_SEC, text);
}

void format_time(uint64_t usec, uint64_t now, char text[static FORMAT_MAX]) {
    time_t seconds = (time_t)(usec / USEC_PER_SEC), today = (time_t)(now / USEC_PER_SEC);
    struct tm tm, tm_now;

    if (usec == 0 || !localtime_r(&seconds, &tm) || !localtime_r(&today, &tm_now)) {
        snprintf(text, FORMAT_MAX, "?");
        return;
    }
    if (tm.tm_year == tm_now.tm_year && tm.tm_yday == tm_now.tm_yday)
        strftime(text, FORMAT_MAX, "%H:%M", &tm);
    else
        strftime(text, FORMAT_MAX, "%Y-%m-%d %H:%M", &tm);
}

unsigned percent_of(uint64_t part, uint64_t whole) {
    unsigned percent;

    if (whole == 0)
        return 0;
    if (part >= whole)
        return 100;
    percent = (unsigned)((double)part * 100 / (double)whole);
    return MIN(percent, 99U);
}
