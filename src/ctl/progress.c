// SPDX-License-Identifier: MIT

#include "ctl/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/format.h"
#include "ctl/output.h"
#include "util/macro.h"
#include "util/text.h"

enum {
    BAR_MIN = 10, // columns; a shorter bar shows too little
    BAR_MAX = 40,
    NAME_MIN = 12,
};

// The daemon reports twice a second. If it is silent for longer, no bytes have arrived.
static const uint64_t REPORT_USEC = USEC_PER_SEC;

// The numbers of a line; empty if unknown.
typedef struct ProgressNumbers {
    char percent[FORMAT_MAX], size[FORMAT_MAX], rate[FORMAT_MAX], left[FORMAT_MAX];
    char sources[FORMAT_MAX];
} ProgressNumbers;

static ProgressNumbers progress_numbers_of(const ProgressView *view) {
    ProgressNumbers numbers = {};

    snprintf(numbers.percent, FORMAT_MAX, "%u%%", percent_of(view->transferred, view->size));
    format_size_of(view->transferred, view->size, numbers.size);
    if (view->rate > 0) {
        format_rate(view->rate, numbers.rate);
        if (view->size > view->transferred)
            format_left((uint64_t)((double)(view->size - view->transferred) / view->rate + 0.999),
                        numbers.left);
    }
    if (view->sources > 0)
        snprintf(numbers.sources, FORMAT_MAX, "%zu source%s", view->sources,
                 view->sources == 1 ? "" : "s");
    return numbers;
}

char *progress_plain_line(const ProgressView *view) {
    _cleanup_free_ char *name = text_escape(view->name, strlen(view->name));
    ProgressNumbers numbers = progress_numbers_of(view);
    char *line;
    int r;

    if (!name)
        return NULL;
    if (*view->note && view->transferred == 0)
        r = asprintf(&line, "%s: %s", name, view->note);
    else if (*view->note)
        r = asprintf(&line, "%s: %s, %s, %s", name, numbers.percent, numbers.size, view->note);
    else
        r = asprintf(&line, "%s: %s, %s%s%s%s%s%s%s%s", name, numbers.percent, numbers.size,
                     *numbers.rate ? ", " : "", numbers.rate, *numbers.left ? ", " : "",
                     numbers.left, *numbers.left ? " left" : "", *numbers.sources ? ", " : "",
                     numbers.sources);
    return r < 0 ? NULL : line;
}

// Appends a bar of `columns`. The missing part is dim where there are colours, else thin.
static void progress_append_bar(char **end, const ProgressView *view, size_t columns, bool utf8,
                                bool colour) {
    double share = view->size > 0 ? (double)view->transferred / (double)view->size : 0;
    size_t halves = (size_t)(MIN(share, 1.0) * 2 * (double)columns), full = halves / 2;
    const char *todo = !utf8 ? "-" : colour ? "━" : "─";

    for (size_t i = 0; i < full; i++)
        *end = stpcpy(*end, utf8 ? "━" : "#");
    if (halves % 2 && utf8)
        *end = stpcpy(*end, "╸");
    if (colour)
        *end = stpcpy(*end, "\033[90m");
    for (size_t i = full + (halves % 2 && utf8); i < columns; i++)
        *end = stpcpy(*end, todo);
    if (colour)
        *end = stpcpy(*end, "\033[0m");
}

// Appends as much as fits; with `pad`, also spaces up to `columns`.
static void progress_append_cut(char **end, const char *text, size_t columns, bool utf8, bool pad) {
    const char *mark = utf8 ? "…" : "...", *begin = *end;

    if (text_width(text) <= columns)
        *end = stpcpy(*end, text);
    else if (columns >= text_width(mark)) {
        size_t bytes = text_prefix(text, columns - text_width(mark));

        *end = stpcpy(mempcpy(*end, text, bytes), mark);
    }
    **end = '\0';
    // A wide character may have left one column free.
    for (size_t used = text_width(begin); pad && used < columns; used++)
        *end = stpcpy(*end, " ");
}

// "58%  2.3/4.0 GiB  412 MB/s  4 s  7 sources". Each number has room to grow, so that the bar does
// not move. `full`: with the parts that can be left out.
static void progress_format_tail(const ProgressView *view, bool full, char tail[static 256]) {
    ProgressNumbers numbers = progress_numbers_of(view);
    // "2.3/4.0 GiB" grows to "4.0/4.0 GiB" at most.
    const char *slash = strchr(numbers.size, '/'), *space = strchr(slash, ' ');
    int width = (int)(2 * (space - slash) - 1 + strlen(space)), n;

    if (*view->note && (view->transferred == 0 || !full)) {
        snprintf(tail, 256, "%s", view->note);
        return;
    }
    n = snprintf(tail, 256, "%4s  %*s", numbers.percent, width, numbers.size);
    if (*view->note)
        snprintf(tail + n, 256 - n, "  %s", view->note);
    else
        snprintf(tail + n, 256 - n, "  %9s  %8s%s%s", *numbers.rate ? numbers.rate : "- MB/s",
                 numbers.left, full && *numbers.sources ? "  " : "", full ? numbers.sources : "");
}

// Distributes the columns of a line. Returns the columns of the bar; 0: no bar.
static size_t progress_share_width(const ProgressView *view, size_t width, size_t *name_width,
                                   char tail[static 256]) {
    size_t least = BAR_MIN + 2, name_min = MIN(*name_width, (size_t)NAME_MIN), room, bar;

    progress_format_tail(view, true, tail);
    if (name_min + 2 + text_width(tail) > width)
        progress_format_tail(view, false, tail);
    room = width > text_width(tail) + 2 ? width - text_width(tail) - 2 : 0;
    if ((*view->note && view->transferred == 0) || room < name_min + least) {
        *name_width = MIN(*name_width, room);
        return 0;
    }
    *name_width = MIN(*name_width, room - least);
    bar = room - *name_width - 2;
    return MIN(bar, (size_t)BAR_MAX);
}

char *progress_bar_line(const ProgressView *view, size_t width, bool utf8, bool colour) {
    _cleanup_free_ char *name = text_escape(view->name, strlen(view->name)), *line = NULL;
    size_t name_width, bar;
    char tail[256], *end;

    // Room for three bytes a column, and for the escape sequences.
    width = MIN(width, 500U);
    line = end = malloc(PROGRESS_LINE_MAX + (name ? strlen(name) : 0));
    if (!name || !line)
        return NULL;
    name_width = MAX(text_width(name), view->name_width);
    bar = progress_share_width(view, width, &name_width, tail);
    progress_append_cut(&end, name, name_width, utf8, true);
    if (bar > 0) {
        end = stpcpy(end, "  ");
        progress_append_bar(&end, view, bar, utf8, colour);
    }
    if (name_width > 0)
        end = stpcpy(end, "  ");
    // A terminal that is narrower than the numbers shows the first of them.
    progress_append_cut(&end, tail, width, utf8, false);
    *end = '\0';
    return TAKE_PTR(line);
}

Progress progress_begin(const Ctl *ctl) {
    return (Progress){
        .terminal = isatty(STDERR_FILENO),
        .utf8 = ctl->utf8,
        .colour = ctl->colour_error,
    };
}

uint64_t progress_interval(const Progress *progress) {
    return progress->terminal ? 200 * USEC_PER_MSEC : 5 * USEC_PER_SEC;
}

double progress_sample(ProgressRate *rate, uint64_t now, uint64_t bytes) {
    size_t last = (rate->n_samples + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES, first;

    // Between two reports, nothing can have changed; a sample would make the rate drop and jump.
    if (rate->n_samples > 0 && bytes == rate->samples[last].bytes &&
        now < rate->samples[last].time + REPORT_USEC)
        return rate->last;
    // The next source starts at byte 0.
    if (rate->n_samples > 0 && bytes < rate->samples[last].bytes)
        rate->n_samples = 0;
    last = rate->n_samples++ % PROGRESS_SAMPLES;
    rate->samples[last].time = now;
    rate->samples[last].bytes = bytes;
    first = rate->n_samples > PROGRESS_SAMPLES ? rate->n_samples % PROGRESS_SAMPLES : 0;
    rate->last = 0;
    if (now > rate->samples[first].time)
        rate->last = (double)(bytes - rate->samples[first].bytes) * USEC_PER_SEC /
                     (double)(now - rate->samples[first].time);
    return rate->last;
}

static void progress_align_names(ProgressView *views, size_t n) {
    size_t width = 0;

    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *name = text_escape(views[i].name, strlen(views[i].name));

        width = MAX(width, name ? text_width(name) : 0);
    }
    for (size_t i = 0; i < n; i++)
        views[i].name_width = width;
}

char *progress_block(ProgressView *views, size_t n, size_t width, size_t rows,
                     const Progress *progress, size_t *ret_drawn) {
    // One row stays free for the prompt of the shell, and one says how many lines are hidden.
    size_t shown = n < MAX(rows, (size_t)3) ? n : MAX(rows, (size_t)3) - 2, size;
    char *text = NULL;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    progress_align_names(views, shown);
    fputc('\r', file);
    if (progress->drawn > 1)
        fprintf(file, "\033[%zuA", progress->drawn - 1);
    for (size_t i = 0; i < shown; i++) {
        _cleanup_free_ char *line =
            progress_bar_line(&views[i], width, progress->utf8, progress->colour);

        fprintf(file, "%s%s\033[K", i > 0 ? "\n" : "", line ?: "");
    }
    if (shown < n)
        fprintf(file, "\nand %zu more\033[K", n - shown);
    // Clears the lines of downloads that have ended.
    if (progress->drawn > shown + (shown < n))
        fputs("\033[J", file);
    *ret_drawn = shown + (shown < n);
    return fclose(file) == 0 ? text : NULL;
}

void progress_show(Progress *progress, ProgressView *views, size_t n) {
    _cleanup_free_ char *text = NULL;
    size_t width = output_width(STDERR_FILENO);

    if (n == 0)
        return;
    if (!progress->terminal) {
        for (size_t i = 0; i < n; i++) {
            _cleanup_free_ char *line = progress_plain_line(&views[i]);

            if (line)
                fprintf(stderr, "%s\n", line);
        }
        return;
    }
    // Some terminals wrap a line that fills the last column.
    text = progress_block(views, n, width > 1 ? width - 1 : 79, output_rows(STDERR_FILENO),
                          progress, &progress->drawn);
    if (text)
        fputs(text, stderr);
}

void progress_clear(Progress *progress) {
    if (progress->drawn > 1)
        fprintf(stderr, "\033[%zuA", progress->drawn - 1);
    if (progress->drawn > 0)
        fputs("\r\033[J", stderr);
    progress->drawn = 0;
}
