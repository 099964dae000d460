// SPDX-License-Identifier: MIT

#include <string.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/verbs.h"
#include "util/time-util.h"

enum {
    // Longer than the daemon tries to connect; then `status` tells more than waiting.
    JOIN_TIMEOUT_SEC = 15,
};

ExitStatus verb_leave(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = ctl_call_method(ctl, &SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Leave", 0, &error);
    return r < 0 ? bus_failed(ctl, &SERVICE_PEER, &error, r) : STATUS_DONE;
}

static int on_signal(sd_bus_message *message _unused_, void *userdata,
                     sd_bus_error *ret_error _unused_) {
    bool *changed = userdata;

    *changed = true;
    return 0;
}

// Waits until the daemon has said that something changed, or until `deadline` (CLOCK_MONOTONIC µs).
static int wait_for_change(sd_bus *bus, bool *changed, uint64_t deadline) {
    int r;

    while (!*changed) {
        uint64_t now = time_monotonic();

        if (now >= deadline)
            return -ETIMEDOUT;
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, deadline - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
    *changed = false;
    return 0;
}

static ExitStatus print_not_joined(const Ctl *ctl, const PeerInfo *peer) {
    _cleanup_free_ char *text = peer_info_describe(peer);

    ctl_error("%s.", text ?: "out of memory");
    if (strcmp(peer->state, "idle") == 0)
        ctl_hint("See %s", config_hint(ctl));
    else
        ctl_hint("It keeps trying; see: p2pctl status");
    return STATUS_UNAVAILABLE;
}

// Follows the state until it is a result: joined, or not for now. So `p2pctl join && p2pctl search`
// finds a session.
static ExitStatus await_result(Ctl *ctl, bool *changed) {
    uint64_t deadline = time_monotonic() + JOIN_TIMEOUT_SEC * USEC_PER_SEC;

    for (;;) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(peer_info_clear) PeerInfo peer = {};
        int r;

        r = peer_info_get(ctl->bus, &peer, &error);
        if (r < 0)
            return bus_failed(ctl, &SERVICE_PEER, &error, r);
        if (strcmp(peer.state, "joined") == 0)
            return STATUS_DONE;
        if (strcmp(peer.state, "connecting") != 0)
            return print_not_joined(ctl, &peer);
        r = wait_for_change(ctl->bus, changed, deadline);
        if (r == -ETIMEDOUT)
            return print_not_joined(ctl, &peer);
        if (r < 0)
            return bus_failed(ctl, &SERVICE_PEER, &error, r);
    }
}

ExitStatus verb_join(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *changes = NULL, *owners = NULL;
    bool changed = false;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = sd_bus_match_signal(ctl->bus, &changes, BUS_PEER_NAME, BUS_PEER_PATH,
                            "org.freedesktop.DBus.Properties", "PropertiesChanged", on_signal,
                            &changed);
    if (r >= 0)
        r = sd_bus_match_signal(ctl->bus, &owners, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameOwnerChanged", on_signal, &changed);
    if (r >= 0)
        r = ctl_call_method(ctl, &SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Join", 0,
                            &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    return await_result(ctl, &changed);
}
