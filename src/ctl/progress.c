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
    BAR_MIN = 10, // columns; a shorter bar says nothing
    BAR_MAX = 40,
    NAME_MIN = 12,
};

// The numbers of a line, empty where not known.
typedef struct Numbers {
    char percent[FORMAT_MAX], size[FORMAT_MAX], rate[FORMAT_MAX], left[FORMAT_MAX];
    char sources[FORMAT_MAX];
} Numbers;

static Numbers numbers_of(const ProgressView *view) {
    Numbers numbers = {};

    snprintf(numbers.percent, FORMAT_MAX, "%u%%", percent_of(view->transferred, view->size));
    format_size_of(view->transferred, view->size, numbers.size);
    if (view->rate > 0) {
        format_rate(view->rate, numbers.rate);
        if (view->size > view->transferred)
            format_left((uint64_t) ((double) (view->size - view->transferred) / view->rate + 0.999),
                        numbers.left);
    }
    if (view->sources > 0)
        snprintf(numbers.sources, FORMAT_MAX, "%zu source%s", view->sources,
                 view->sources == 1 ? "" : "s");
    return numbers;
}

char *progress_plain_line(const ProgressView *view) {
    _cleanup_free_ char *name = text_escape(view->name, strlen(view->name));
    Numbers numbers = numbers_of(view);
    char *line;
    int r;

    if (!name)
        return NULL;
    if (view->note)
        r = asprintf(&line, "%s: %s", name, view->note);
    else
        r = asprintf(&line, "%s: %s, %s%s%s%s%s%s%s%s", name, numbers.percent, numbers.size,
                     *numbers.rate ? ", " : "", numbers.rate, *numbers.left ? ", " : "",
                     numbers.left, *numbers.left ? " left" : "", *numbers.sources ? ", " : "",
                     numbers.sources);
    return r < 0 ? NULL : line;
}

// Appends " columns" of bar. The part to come is dim where there are colours, thin where not.
static void append_bar(char **end, const ProgressView *view, size_t columns, bool utf8,
                       bool colour) {
    double share = view->size > 0 ? (double) view->transferred / (double) view->size : 0;
    size_t halves = (size_t) (MIN(share, 1.0) * 2 * (double) columns), full = halves / 2;
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

static void append_cut(char **end, const char *text, size_t columns, bool utf8) {
    const char *mark = utf8 ? "…" : "...";

    if (text_width(text) <= columns) {
        *end = stpcpy(*end, text);
        return;
    }
    if (columns >= text_width(mark)) {
        size_t bytes = text_prefix(text, columns - text_width(mark));

        *end = stpcpy(mempcpy(*end, text, bytes), mark);
    }
}

// "58%  2.3/4.0 GiB  412 MB/s  4 s  7 sources", each as wide as it is likely to get, so that the
// bar stands still.
static void format_tail(const Numbers *numbers, bool with_sources, char tail[static 256]) {
    // "2.3/4.0 GiB" grows to "4.0/4.0 GiB" at most.
    const char *slash = strchr(numbers->size, '/'), *space = strchr(slash, ' ');
    int width = (int) (2 * (space - slash) - 1 + strlen(space));
    int n = snprintf(tail, 256, "%4s  %*s  %9s  %8s", numbers->percent, width, numbers->size,
                     *numbers->rate ? numbers->rate : "- MB/s", numbers->left);

    if (with_sources && *numbers->sources)
        snprintf(tail + n, 256 - n, "  %s", numbers->sources);
}

char *progress_bar_line(const ProgressView *view, size_t width, bool utf8, bool colour) {
    _cleanup_free_ char *name = text_escape(view->name, strlen(view->name)), *line = NULL;
    size_t name_width, name_room, bar = 0, tail_width;
    Numbers numbers = numbers_of(view);
    char tail[256], *end;

    // Three bytes a column, and the escape sequences.
    width = MIN(width, 500U);
    line = end = malloc(PROGRESS_LINE_MAX + (name ? strlen(name) : 0));
    if (!name || !line)
        return NULL;
    if (view->note)
        snprintf(tail, sizeof(tail), "%s", view->note);
    else
        format_tail(&numbers, true, tail);
    name_width = text_width(name);
    tail_width = text_width(tail);
    if (!view->note && MIN(name_width, (size_t) NAME_MIN) + 2 + tail_width > width) {
        format_tail(&numbers, false, tail);
        tail_width = text_width(tail);
    }
    name_room = width > tail_width + 2 ? width - tail_width - 2 : 0;
    if (!view->note && name_room >= MIN(name_width, (size_t) NAME_MIN) + 2 + BAR_MIN) {
        size_t least = BAR_MIN + 2;

        name_width = MIN(name_width, name_room - least);
        bar = MIN(name_room - name_width - 2, (size_t) BAR_MAX);
    } else
        name_width = MIN(name_width, name_room);
    append_cut(&end, name, name_width, utf8);
    if (bar > 0) {
        end = stpcpy(end, "  ");
        append_bar(&end, view, bar, utf8, colour);
    }
    if (name_width > 0)
        end = stpcpy(end, "  ");
    // A terminal narrower than the numbers gets the first of them.
    append_cut(&end, tail, width, utf8);
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

double progress_sample(Progress *progress, uint64_t now, uint64_t bytes) {
    size_t last = (progress->n_samples + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES, first;

    // The next source begins from the start.
    if (progress->n_samples > 0 && bytes < progress->samples[last].bytes)
        progress->n_samples = 0;
    last = progress->n_samples++ % PROGRESS_SAMPLES;
    progress->samples[last].time = now;
    progress->samples[last].bytes = bytes;
    first = progress->n_samples > PROGRESS_SAMPLES ? progress->n_samples % PROGRESS_SAMPLES : 0;
    if (now <= progress->samples[first].time)
        return 0;
    return (double) (bytes - progress->samples[first].bytes) * USEC_PER_SEC /
           (double) (now - progress->samples[first].time);
}

void progress_show(Progress *progress, const ProgressView *view) {
    _cleanup_free_ char *line = NULL;
    size_t width = output_width(STDERR_FILENO);

    if (!progress->terminal) {
        line = progress_plain_line(view);
        if (line)
            fprintf(stderr, "%s\n", line);
        return;
    }
    // A terminal that is full to its last column may wrap.
    line = progress_bar_line(view, width > 1 ? width - 1 : 79, progress->utf8, progress->colour);
    if (!line)
        return;
    fprintf(stderr, "\r%s\033[K", line);
    progress->drawn = true;
}

void progress_clear(Progress *progress) {
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
