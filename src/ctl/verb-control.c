// SPDX-License-Identifier: MIT

// cancel, pause, resume: one method each, for any number of transfers.

#include <stdio.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "util/parse-util.h"

static ExitStatus call_one(Ctl *ctl, uint32_t id, const char *method) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    char path[sizeof(BUS_TRANSFER_PREFIX) + 12];
    int r;

    snprintf(path, sizeof(path), BUS_TRANSFER_PREFIX "/%u", id);
    r = ctl_call_method(ctl, &SERVICE_PEER, path, BUS_TRANSFER_INTERFACE, method, 0, &error);
    if (r >= 0)
        return STATUS_DONE;
    if (sd_bus_error_has_names(&error, SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_METHOD,
                               SD_BUS_ERROR_UNKNOWN_INTERFACE, BUS_ERROR_NO_SUCH_TRANSFER)) {
        ctl_error("there is no transfer %u, or it has ended.", id);
        ctl_hint("See: p2pctl transfers");
        return STATUS_NOTHING;
    }
    return bus_failed(ctl, &SERVICE_PEER, &error, r);
}

// The exit status is that of the first one that failed.
static ExitStatus call_all(Ctl *ctl, int argc, char **argv, const char *method) {
    ExitStatus first = STATUS_DONE;
    uint64_t id;

    // All of them are looked at before anything happens to any.
    for (int i = 0; i < argc; i++)
        if (parse_u64_range(argv[i], 0, UINT32_MAX, &id) < 0) {
            ctl_error("\"%s\" is not the number of a transfer.", argv[i]);
            ctl_hint("See: p2pctl transfers");
            return STATUS_USAGE;
        }
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    for (int i = 0; i < argc; i++) {
        ExitStatus status;

        if (parse_u64_range(argv[i], 0, UINT32_MAX, &id) < 0)
            continue;
        status = call_one(ctl, (uint32_t) id, method);
        if (status == STATUS_UNAVAILABLE)
            return status;
        if (first == STATUS_DONE)
            first = status;
    }
    return first;
}

ExitStatus verb_cancel(Ctl *ctl, int argc, char **argv) {
    return call_all(ctl, argc, argv, "Cancel");
}

ExitStatus verb_pause(Ctl *ctl, int argc, char **argv) {
    return call_all(ctl, argc, argv, "Pause");
}

ExitStatus verb_resume(Ctl *ctl, int argc, char **argv) {
    return call_all(ctl, argc, argv, "Resume");
}
