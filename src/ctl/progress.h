// SPDX-License-Identifier: MIT
#pragma once

// How far downloads are: lines that are redrawn on a terminal, lines now and then elsewhere.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"

enum {
    PROGRESS_SAMPLES = 16,
    PROGRESS_NOTE_MAX = 64,
    PROGRESS_LINE_MAX = 4096, // bytes that hold any line of a terminal of up to 500 columns
};

// What a line shows. Pure data, so that tests can say what a line looks like.
typedef struct ProgressView {
    const char *name;             // raw
    char note[PROGRESS_NOTE_MAX]; // while nothing moves, why: "searching"; else empty
    uint64_t size, transferred;
    double rate;       // bytes per second, 0 = not known
    size_t sources;    // 0 = not known
    size_t name_width; // columns that the name takes at least, so that lines look like a table
} ProgressView;

// "name  ━━━━╸────  58%  2.3/4.0 GiB  412 MB/s  4 s  7 sources", within `width` columns: a long
// name is cut to make room for the bar; where that does not do, the bar goes, then the sources. With a
// note, that stands for the rate and what follows, and for the numbers too while there are none.
// Caller frees; NULL = no memory.
char *progress_bar_line(const ProgressView *view, size_t width, bool utf8, bool colour);

// "name: 58%, 2.3/4.0 GiB, 412 MB/s, 4 s left, 7 sources". Caller frees; NULL = no memory.
char *progress_plain_line(const ProgressView *view);

// The last places of one download.
typedef struct ProgressRate {
    struct {
        uint64_t time, bytes;
    } samples[PROGRESS_SAMPLES]; // a ring
    size_t n_samples;            // ever taken
    double last;                 // what the last one gave
} ProgressRate;

// Notes where the transfer is now (CLOCK_MONOTONIC µs), and returns the rate of the last few
// seconds.
double progress_sample(ProgressRate *rate, uint64_t now, uint64_t bytes);

// The lines of all downloads, below one another.
typedef struct Progress {
    bool terminal; // stderr is one
    bool utf8, colour;
    size_t drawn; // lines that stand on the terminal
} Progress;

Progress progress_begin(const Ctl *ctl);

// How often to call progress_show(), in µs.
uint64_t progress_interval(const Progress *progress);

// What progress_show() writes to a terminal of that size, where `drawn` lines stand: as many lines as fit,
// and how many more there are. Changes the views' name_width. Caller frees; NULL = no memory.
char *progress_block(ProgressView *views, size_t n, size_t width, size_t rows,
                     const Progress *progress, size_t *ret_drawn);

void progress_show(Progress *progress, ProgressView *views, size_t n);
// Takes the lines off the terminal, before anything else is printed.
void progress_clear(Progress *progress);
