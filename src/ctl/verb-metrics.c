// SPDX-License-Identifier: MIT

// metrics: prints the numbers of all daemons that run on this host, as one OpenMetrics text.

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/output.h"
#include "ctl/unit.h"
#include "ctl/verbs.h"
#include "util/macro.h"

static const char end_mark[] = "# EOF\n";

typedef struct MetricsSource {
    const Service *service;
    const char *path, *interface;
    char *text;  // owned; NULL: the daemon is not running
    bool absent; // it is not installed, or masked
} MetricsSource;

// Never starts the daemon, since monitoring must not decide what runs. 0, or -errno of sd-bus with
// *error set.
static int verb_metrics_ask(sd_bus *bus, MetricsSource *source, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    const char *text;
    int r;

    r = sd_bus_message_new_method_call(bus, &call, source->service->bus_name, source->path,
                                       source->interface, "Metrics");
    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, false);
    if (r >= 0)
        r = sd_bus_call(bus, call, 0, error, &reply);
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                               SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
        const UnitState state = unit_state(bus, source->service);

        source->absent = state == UNIT_ABSENT || state == UNIT_MASKED;
        return 0;
    }
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &text);
    if (r < 0)
        return r;
    source->text = strdup(text);
    return source->text ? 0 : -ENOMEM;
}

// Joins the texts. Each daemon has its own metric families, and only one end mark is allowed.
static char *verb_metrics_compose(const MetricsSource sources[], size_t n) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    fprintf(file, "# HELP p2p_up Whether the daemon runs.\n# TYPE p2p_up gauge\n");
    for (size_t i = 0; i < n; i++)
        if (!sources[i].absent) // a daemon that is not installed is not down
            fprintf(file, "p2p_up{daemon=\"%s\"} %d\n", sources[i].service->program,
                    !!sources[i].text);
    for (size_t i = 0; i < n; i++) {
        size_t len = sources[i].text ? strlen(sources[i].text) : 0, end = strlen(end_mark);

        if (len >= end && strcmp(sources[i].text + len - end, end_mark) == 0)
            len -= end;
        fprintf(file, "%.*s", (int)len, sources[i].text ?: "");
    }
    fputs(end_mark, file);
    return fclose(file) == 0 ? text : NULL;
}

// Replaces the file in one step, so that a reader never finds half of it.
static ExitStatus verb_metrics_write_file(const char *path, const char *text) {
    _cleanup_free_ char *temporary = NULL;
    FILE *file;
    bool failed;
    int fd;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return fail_memory();
    }
    fd = mkstemp(temporary);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        close_fd(fd);
        return fail_errno(errno, "cannot write %s", path);
    }
    failed = fchmod(fd, 0644) < 0 || fputs(text, file) < 0;
    failed |= fclose(file) != 0;
    if (!failed && rename(temporary, path) >= 0)
        return STATUS_DONE;
    fail_errno(errno, "cannot write %s", path);
    (void)unlink(temporary);
    return STATUS_FAILED;
}

static ExitStatus verb_metrics_print_lines(char *text) {
    char *rest, *line;

    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        print_escaped(stdout, "%s", line);
        putchar('\n');
    }
    return STATUS_DONE;
}

ExitStatus verb_metrics(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    MetricsSource sources[] = {
        {&SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, NULL, false},
        {&SERVICE_FT, BUS_FT_PATH, BUS_FT_INTERFACE, NULL, false},
    };
    _cleanup_free_ char *text = NULL;
    ExitStatus status = STATUS_DONE;
    bool any = false;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    for (size_t i = 0; i < ELEMENTSOF(sources) && status == STATUS_DONE; i++) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = verb_metrics_ask(ctl->bus, &sources[i], &error);

        if (r < 0)
            status = bus_failed(ctl, sources[i].service, &error, r);
        any |= sources[i].text != NULL;
    }
    if (status == STATUS_DONE)
        text = verb_metrics_compose(sources, ELEMENTSOF(sources));
    for (size_t i = 0; i < ELEMENTSOF(sources); i++)
        free(sources[i].text);
    if (status != STATUS_DONE)
        return status;
    if (!text)
        return fail_memory();
    status = ctl->download.output ? verb_metrics_write_file(ctl->download.output, text)
                                  : verb_metrics_print_lines(text);
    if (status != STATUS_DONE || any)
        return status;
    ctl_error("neither p2p-peer nor p2p-ft is running %s.",
              ctl->user ? "on the session bus" : "here");
    return STATUS_UNAVAILABLE;
}
