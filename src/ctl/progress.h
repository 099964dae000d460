// SPDX-License-Identifier: MIT
#pragma once

// The progress of downloads: lines that are redrawn on a terminal, or occasional lines elsewhere.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"

enum {
    PROGRESS_SAMPLES = 16,
    PROGRESS_NOTE_MAX = 64,
    PROGRESS_LINE_MAX = 4096, // bytes; enough for a line of 500 columns
};

// The content of a line. Plain data, so that tests can check what a line looks like.
typedef struct ProgressView {
    const char *name;             // not escaped
    char note[PROGRESS_NOTE_MAX]; // why nothing moves: "searching"; else empty
    uint64_t size, transferred;
    double rate;       // bytes per second; 0: unknown
    size_t sources;    // 0: unknown
    size_t name_width; // least columns of the name, so that lines look like a table
} ProgressView;

// "name  ━━━━╸────  58%  2.3/4.0 GiB  412 MB/s  4 s  7 sources", within `width` columns. Cuts a
// long name to make room for the bar; if that is not enough, leaves out the bar, then the sources.
// A note replaces the rate and what follows; before the first byte, also the other numbers. Caller
// frees; NULL = no memory.
char *progress_bar_line(const ProgressView *view, size_t width, bool utf8, bool colour);

// "name: 58%, 2.3/4.0 GiB, 412 MB/s, 4 s left, 7 sources". Caller frees; NULL = no memory.
char *progress_plain_line(const ProgressView *view);

// The recent positions of one download.
typedef struct ProgressRate {
    struct {
        uint64_t time, bytes;
    } samples[PROGRESS_SAMPLES]; // a ring
    size_t n_samples;            // taken so far, also those overwritten
    double last;                 // result of the last sample
} ProgressRate;

// Notes the position of the transfer now (CLOCK_MONOTONIC, µs), and returns the rate of the last
// few seconds.
double progress_sample(ProgressRate *rate, uint64_t now, uint64_t bytes);

// The lines of all downloads, one below the other.
typedef struct Progress {
    bool terminal; // whether stderr is a terminal
    bool utf8, colour;
    size_t drawn; // lines on the terminal now
} Progress;

Progress progress_begin(const Ctl *ctl);

// How often to call progress_show(), in µs.
uint64_t progress_interval(const Progress *progress);

// The text that progress_show() writes to a terminal of that size with `drawn` lines on it: as many
// lines as fit, and how many more there are. Changes name_width of the views. Caller frees; NULL =
// no memory.
char *progress_block(ProgressView *views, size_t n, size_t width, size_t rows,
                     const Progress *progress, size_t *ret_drawn);

void progress_show(Progress *progress, ProgressView *views, size_t n);
// Removes the lines from the terminal. Must be called before anything else is printed.
void progress_clear(Progress *progress);
