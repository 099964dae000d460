// SPDX-License-Identifier: MIT

#include "util/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/macro.h"

int metrics_begin(Metrics *metrics) {
    *metrics = (Metrics){};
    metrics->file = open_memstream(&metrics->text, &metrics->size);
    return metrics->file ? 0 : -ENOMEM;
}

static void metrics_family(Metrics *metrics, const char *name, const char *type, const char *help) {
    metrics->name = name;
    fprintf(metrics->file, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_counter(Metrics *metrics, const char *name, const char *help) {
    metrics_family(metrics, name, "counter", help);
    metrics->suffix = "_total";
}

void metrics_gauge(Metrics *metrics, const char *name, const char *help) {
    metrics_family(metrics, name, "gauge", help);
    metrics->suffix = "";
}

void metrics_put(Metrics *metrics, uint64_t value, const char *label, const char *label_value) {
    if (label)
        fprintf(metrics->file, "%s%s{%s=\"%s\"} %" PRIu64 "\n", metrics->name, metrics->suffix,
                label, label_value, value);
    else
        fprintf(metrics->file, "%s%s %" PRIu64 "\n", metrics->name, metrics->suffix, value);
}

void metrics_put2(Metrics *metrics, uint64_t value, const char *label, const char *label_value,
                  const char *label2, const char *label2_value) {
    fprintf(metrics->file, "%s%s{%s=\"%s\",%s=\"%s\"} %" PRIu64 "\n", metrics->name,
            metrics->suffix, label, label_value, label2, label2_value, value);
}

int metrics_end(Metrics *metrics, char **ret) {
    bool failed;

    fputs("# EOF\n", metrics->file);
    failed = ferror(metrics->file);
    if (fclose(metrics->file) != 0 || failed) {
        free(metrics->text);
        return -ENOMEM;
    }
    *ret = metrics->text;
    return 0;
}
