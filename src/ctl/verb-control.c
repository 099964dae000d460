// SPDX-License-Identifier: MIT

// cancel, pause, resume: call a method of each transfer, and wait until the transfer is in the new
// state.

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
    // A transfer stops at once, but a disk that has spun down needs some seconds.
    STOP_TIMEOUT_SEC = 30,
};

// A method and the state to wait for, since the daemon answers before that is reached. NULL: do not
// wait.
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

// Waits, so that the next command sees the new state.
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

// Returns the status of the first failure.
static ExitStatus verb_control_call_all(Ctl *ctl, int argc, char **argv,
                                        const ControlAction *action) {
    ExitStatus first = STATUS_DONE;
    uint64_t id;

    // Check all arguments before changing any transfer.
    for (int i = 0; i < argc; i++)
        if (parse_u64_range(argv[i], 0, UINT32_MAX, &id) < 0) {
            ctl_error("\"%s\" is not the ID of a transfer.", argv[i]);
            ctl_hint("See: p2pctl transfers");
            return STATUS_USAGE;
        }
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    for (int i = 0; i < argc; i++) {
        ExitStatus status;

        if (parse_u64_range(argv[i], 0, UINT32_MAX, &id) < 0)
            continue;
        status = verb_control_call_one(ctl, (uint32_t)id, action);
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
