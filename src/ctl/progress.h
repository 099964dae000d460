// SPDX-License-Identifier: MIT
#pragma once

// How far a download is: one line that is redrawn on a terminal, a line now and then elsewhere.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"

enum {
    PROGRESS_SAMPLES = 16,
    PROGRESS_LINE_MAX = 4096, // bytes that hold any line of a terminal of up to 500 columns
};

// What a line shows. Pure data, so that tests can say what a line looks like.
typedef struct ProgressView {
    const char *name; // raw
    const char *note; // instead of numbers, while nothing is known: "searching"
    uint64_t size, transferred;
    double rate;    // bytes per second, 0 = not known
    size_t sources; // 0 = not known
} ProgressView;

// "name  ━━━━╸────  58%  2.3/4.0 GiB  412 MB/s  4 s  7 sources", within `width` columns: a long
// name is cut to make room for the bar; where that does not do, the bar goes, then the sources.
// Caller frees; NULL = no memory.
char *progress_bar_line(const ProgressView *view, size_t width, bool utf8, bool colour);

// "name: 58%, 2.3/4.0 GiB, 412 MB/s, 4 s left, 7 sources". Caller frees; NULL = no memory.
char *progress_plain_line(const ProgressView *view);

typedef struct Progress {
    bool terminal; // stderr is one
    bool utf8, colour;
    bool drawn; // a line stands on the terminal
    struct {
        uint64_t time, bytes;
    } samples[PROGRESS_SAMPLES]; // a ring
    size_t n_samples;            // ever taken
} Progress;

Progress progress_begin(const Ctl *ctl);

// How often to call progress_show(), in µs.
uint64_t progress_interval(const Progress *progress);

// Notes where the transfer is now (CLOCK_MONOTONIC µs), and returns the rate of the last few
// seconds.
double progress_sample(Progress *progress, uint64_t now, uint64_t bytes);

void progress_show(Progress *progress, const ProgressView *view);
// Takes the line off the terminal, before anything else is printed.
void progress_clear(Progress *progress);
