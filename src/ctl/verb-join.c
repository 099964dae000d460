// SPDX-License-Identifier: MIT

#include <string.h>

#include "bus/names.h"
#include "ctl/await.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/verbs.h"
#include "util/time-util.h"

enum {
    // Longer than the daemon tries to connect. After that, `status` says more than waiting does.
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

static ExitStatus verb_join_print_not_joined(const Ctl *ctl, const PeerInfo *peer) {
    _cleanup_free_ char *text = peer_info_describe(peer);

    ctl_error("%s.", text ?: "out of memory");
    if (strcmp(peer->state, "idle") == 0)
        ctl_hint("See %s", config_hint(ctl));
    else
        ctl_hint("It tries again by itself. See: p2pctl status");
    return STATUS_UNAVAILABLE;
}

// Waits until the peer is joined or has failed for now, so that `p2pctl join && p2pctl search`
// works.
static ExitStatus verb_join_await_result(Ctl *ctl, Await *await) {
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
            return verb_join_print_not_joined(ctl, &peer);
        r = await_change(await, ctl->bus, deadline);
        if (r == -ETIMEDOUT)
            return verb_join_print_not_joined(ctl, &peer);
        if (r < 0)
            return bus_failed(ctl, &SERVICE_PEER, &error, r);
    }
}

ExitStatus verb_join(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(await_end) Await await = {};
    int r;

    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    r = await_begin(&await, ctl->bus, BUS_PEER_PATH);
    if (r >= 0)
        r = ctl_call_method(ctl, &SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Join", 0,
                            &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    return verb_join_await_result(ctl, &await);
}
