// SPDX-License-Identifier: MIT

#include "ctl/connection.h"

#include "bus/names.h"
#include "ctl/failure.h"
#include "ctl/unit.h"
#include "util/macro.h"
#include "util/time-util.h"

// How often to look at the unit while the bus starts p2p-peer, and how long to wait for a unit that
// systemd restarts. The bus itself reports a failure only after 25 s.
static const uint64_t LOOK_USEC = USEC_PER_SEC / 5, RESTARTING_USEC = 3 * USEC_PER_SEC;

int ctl_connect(Ctl *ctl) {
    int r;

    if (ctl->bus)
        return 0;
    if (ctl->host)
        r = sd_bus_open_system_remote(&ctl->bus, ctl->host);
    else if (ctl->user)
        r = sd_bus_open_user_with_description(&ctl->bus, "p2pctl");
    else
        r = sd_bus_open_system_with_description(&ctl->bus, "p2pctl");
    if (r < 0) {
        bus_unreachable(ctl, r);
        return r;
    }
    return 0;
}

typedef struct PeerStart {
    bool answered;
    int r;
    sd_bus_error error;
} PeerStart;

static int connection_on_started(sd_bus_message *reply, void *userdata,
                                 sd_bus_error *ret_error _unused_) {
    PeerStart *start = userdata;

    start->answered = true;
    start->r = -sd_bus_message_get_errno(reply);
    if (start->r < 0)
        (void)sd_bus_error_copy(&start->error, sd_bus_message_get_error(reply));
    return 0;
}

// Whether waiting for the bus is pointless.
static bool connection_is_hopeless(UnitState state, uint64_t begun) {
    return state == UNIT_FAILED || state == UNIT_MASKED ||
           (state == UNIT_RESTARTING && time_monotonic() - begun > RESTARTING_USEC);
}

// Waits for the answer of the bus. *ret is the state of the unit if that made waiting pointless,
// else UNIT_UNKNOWN. 0, or -errno of the connection.
static int connection_await_start(Ctl *ctl, PeerStart *start, UnitState *ret) {
    uint64_t begun = time_monotonic(), next = begun + LOOK_USEC;

    *ret = UNIT_UNKNOWN;
    while (!start->answered) {
        uint64_t now = time_monotonic();
        int r = sd_bus_process(ctl->bus, NULL);

        if (r == 0 && now >= next) {
            *ret = unit_state(ctl->bus, &SERVICE_PEER);
            if (connection_is_hopeless(*ret, begun))
                return 0;
            next = now + LOOK_USEC;
        } else if (r == 0)
            r = sd_bus_wait(ctl->bus, next - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
    *ret = UNIT_UNKNOWN;
    return start->r;
}

ExitStatus ctl_connect_peer(Ctl *ctl) {
    _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
    PeerStart start = {};
    UnitState state;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    if (sd_bus_get_name_creds(ctl->bus, BUS_PEER_NAME, 0, NULL) >= 0)
        return STATUS_DONE;
    state = unit_state(ctl->bus, &SERVICE_PEER);
    if (state == UNIT_FAILED || state == UNIT_MASKED) {
        (void)failure_print_unit(ctl, &SERVICE_PEER, state);
        return STATUS_UNAVAILABLE;
    }
    r = sd_bus_call_method_async(ctl->bus, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "StartServiceByName",
                                 connection_on_started, &start, "su", BUS_PEER_NAME, 0);
    if (r >= 0)
        r = connection_await_start(ctl, &start, &state);
    if (r >= 0 && !failure_print_unit(ctl, &SERVICE_PEER, state))
        return STATUS_DONE;
    if (r < 0)
        (void)bus_failed(ctl, &SERVICE_PEER, &start.error, r);
    sd_bus_error_free(&start.error);
    return STATUS_UNAVAILABLE;
}
