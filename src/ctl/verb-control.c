// SPDX-License-Identifier: MIT

// cancel, pause, resume: one method each, for any number of transfers, and the wait until it has come about.

#include <stdio.h>

#include "bus/names.h"
#include "ctl/await.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "util/parse-util.h"

enum {
    // What is under way stops within moments; a disk that has gone to sleep takes some seconds.
    STOP_TIMEOUT_SEC = 30,
};

// A method, and the state that it leads to; the daemon answers the call before it is there. NULL: nothing to wait for.
typedef struct ControlAction {
    const char *method;
    bool (*reached)(const TransferInfo *transfer);
} ControlAction;

static bool verb_control_has_stopped(const TransferInfo *transfer) {
    return transfer_info_is(transfer, "paused") || transfer_info_is_over(transfer);
}

static bool verb_control_is_gone(const sd_bus_error *error) {
    return sd_bus_error_has_names(error, SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_METHOD,
                                  SD_BUS_ERROR_UNKNOWN_INTERFACE, BUS_ERROR_NO_SUCH_TRANSFER);
}

// So that who looks at the transfers next sees them as they are then.
static ExitStatus verb_control_await_state(Ctl *ctl, uint32_t id, const char *path,
                                           const ControlAction *action) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(transfer_info_clear) TransferInfo transfer = {};
    int r;

    r = await_transfer(ctl->bus, path, action->reached, STOP_TIMEOUT_SEC * USEC_PER_SEC, &transfer,
                       &error);
    if (r >= 0 || verb_control_is_gone(&error))
        return STATUS_DONE;
    if (r != -ETIMEDOUT || sd_bus_error_is_set(&error))
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    ctl_error("transfer %u is still %s.", id, transfer.state);
    ctl_hint("See: p2pctl transfers");
    return STATUS_FAILED;
}

static ExitStatus verb_control_call_one(Ctl *ctl, uint32_t id, const ControlAction *action) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    char path[sizeof(BUS_TRANSFER_PREFIX) + 12];
    int r;

    snprintf(path, sizeof(path), BUS_TRANSFER_PREFIX "/%u", id);
    r = ctl_call_method(ctl, &SERVICE_PEER, path, BUS_TRANSFER_INTERFACE, action->method, 0,
                        &error);
    if (r >= 0)
        return action->reached ? verb_control_await_state(ctl, id, path, action) : STATUS_DONE;
    if (verb_control_is_gone(&error)) {
        ctl_error("there is no transfer %u, or it has ended.", id);
        ctl_hint("See: p2pctl transfers");
        return STATUS_NOTHING;
    }
    return bus_failed(ctl, &SERVICE_PEER, &error, r);
}

// The exit status is that of the first one that failed.
static ExitStatus verb_control_call_all(Ctl *ctl, int argc, char **argv,
                                        const ControlAction *action) {
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
        status = verb_control_call_one(ctl, (uint32_t) id, action);
        if (status == STATUS_UNAVAILABLE)
            return status;
        if (first == STATUS_DONE)
            first = status;
    }
    return first;
}

ExitStatus verb_cancel(Ctl *ctl, int argc, char **argv) {
    return verb_control_call_all(ctl, argc, argv,
                                 &(ControlAction){"Cancel", transfer_info_is_over});
}

ExitStatus verb_pause(Ctl *ctl, int argc, char **argv) {
    return verb_control_call_all(ctl, argc, argv,
                                 &(ControlAction){"Pause", verb_control_has_stopped});
}

ExitStatus verb_resume(Ctl *ctl, int argc, char **argv) {
    return verb_control_call_all(ctl, argc, argv, &(ControlAction){"Resume", NULL});
}
