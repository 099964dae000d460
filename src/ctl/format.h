// SPDX-License-Identifier: MIT
#pragma once

// Formats numbers for people. Pure.

#include <stddef.h>
#include <stdint.h>

enum {
    FORMAT_MAX = 48, // bytes; enough for every text of this file
};

// "11 B", "4.0 GiB": powers of 1024.
void format_size(uint64_t bytes, char text[static FORMAT_MAX]);

// "2.3/4.0 GiB": both in the unit of the whole.
void format_size_of(uint64_t part, uint64_t whole, char text[static FORMAT_MAX]);

// Bytes per second as "412 MB/s", "11.4 MB/s", "0.25 MB/s": powers of 1000.
void format_rate(double rate, char text[static FORMAT_MAX]);

// A measured time: "3 ms", "9.9 s", "42 s", "3 min 05 s", "2 h 05 min", "3 d 4 h".
void format_duration(uint64_t usec, char text[static FORMAT_MAX]);

// An estimated time, which has no fraction: "4 s", "3 min 05 s", …
void format_left(uint64_t seconds, char text[static FORMAT_MAX]);

// Local time; `usec` and `now` are µs since the epoch. "09:12" on the day of `now`, else
// "2026-09-06 09:12".
void format_time(uint64_t usec, uint64_t now, char text[static FORMAT_MAX]);

// Whole percent; 100 only if nothing is missing; 0 if `whole` is 0.
unsigned percent_of(uint64_t part, uint64_t whole);
