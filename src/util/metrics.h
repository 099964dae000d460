// SPDX-License-Identifier: MIT
#pragma once

// Numbers for monitoring, as OpenMetrics text. Open a family, then put its samples.

#include <stdint.h>
#include <stdio.h>

typedef struct Metrics {
    FILE *file;
    char *text;
    size_t size;
    const char *name, *suffix; // of the open family
} Metrics;

int metrics_begin(Metrics *metrics); // 0 or -ENOMEM; metrics_end() must follow

// `name` without "_total", which samples of a counter end in. `help` is a sentence without its full
// stop.
void metrics_counter(Metrics *metrics, const char *name, const char *help);
void metrics_gauge(Metrics *metrics, const char *name, const char *help);

// Labels must be our own words, as they are not escaped. label NULL: none.
void metrics_put(Metrics *metrics, uint64_t value, const char *label, const char *label_value);
void metrics_put2(Metrics *metrics, uint64_t value, const char *label, const char *label_value,
                  const char *label2, const char *label2_value);

// Ends the text with "# EOF". Caller frees. 0 or -ENOMEM.
int metrics_end(Metrics *metrics, char **ret);
