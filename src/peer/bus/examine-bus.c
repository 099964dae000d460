// SPDX-License-Identifier: MIT

#include "peer/bus/examine-bus.h"

#include <string.h>

#include "bus/names.h"
#include "util/fs-util.h"
#include "util/macro.h"

typedef struct Examination {
    char *path, *component;
    int result;
} Examination;

static void examination_free(void *job) {
    Examination *examination = job;

    free(examination->path);
    free(examination->component);
    free(examination);
}

static void examination_run(void *job) {
    Examination *examination = job;

    examination->result = examine_path(examination->path, &examination->component);
}

static void examination_done(void *job, void *userdata) {
    Examination *examination = job;
    Examiner *examiner = userdata;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = TAKE_PTR(examiner->call);
    int r = examination->result;

    examiner->work = work_free(examiner->work);
    if (r < 0 && !examination->component)
        (void)sd_bus_reply_method_errno(call, r, NULL);
    else
        (void)sd_bus_reply_method_return(call, "ss", r < 0 ? examination->component : "",
                                         r < 0 ? strerrorname_np(-r) ?: "" : "");
}

int examiner_examine(Examiner *examiner, sd_event *event, sd_bus_message *call,
                     sd_bus_error *error) {
    static const WorkOps ops = {examination_run, examination_done, examination_free};
    Examination *examination;
    const char *path;
    int r;

    r = sd_bus_message_read(call, "s", &path);
    if (r < 0)
        return r;
    if (*path != '/')
        return sd_bus_error_set(error, BUS_ERROR_INVALID_NAME, "not an absolute path");
    if (examiner->work)
        return sd_bus_error_set(error, BUS_ERROR_TOO_MANY, "another path is being examined");
    examination = calloc(1, sizeof(*examination));
    if (examination)
        examination->path = strdup(path);
    if (!examination || !examination->path) {
        free(examination);
        return -ENOMEM;
    }
    r = work_start(event, &ops, examination, examiner, &examiner->work);
    if (r < 0)
        return r;
    examiner->call = sd_bus_message_ref(call);
    return 1; // examination_done() answers
}

void examiner_done(Examiner *examiner) {
    examiner->work = work_free(examiner->work);
    examiner->call = sd_bus_message_unref(examiner->call);
}
