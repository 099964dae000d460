// SPDX-License-Identifier: MIT

#include "ctl/await.h"

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "util/time-util.h"

static int await_on_signal(sd_bus_message *message _unused_, void *userdata,
                           sd_bus_error *ret_error _unused_) {
    Await *await = userdata;

    await->changed = true;
    return 0;
}

int await_begin(Await *await, sd_bus *bus, const char *path) {
    int r;

    r = sd_bus_match_signal(bus, &await->changes, BUS_PEER_NAME, path,
                            "org.freedesktop.DBus.Properties", "PropertiesChanged", await_on_signal,
                            await);
    if (r >= 0)
        r = sd_bus_match_signal(bus, &await->owners, "org.freedesktop.DBus",
                                "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                await_on_signal, await);
    return r;
}

int await_change(Await *await, sd_bus *bus, uint64_t deadline) {
    int r;

    while (!await->changed) {
        uint64_t now = time_monotonic();

        if (now >= deadline)
            return -ETIMEDOUT;
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, deadline - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
    await->changed = false;
    return 0;
}

void await_end(Await *await) {
    await->changes = sd_bus_slot_unref(await->changes);
    await->owners = sd_bus_slot_unref(await->owners);
}

static int await_look(sd_bus *bus, const char *path, TransferInfo *transfer, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r;

    r = ctl_get_all(bus, &SERVICE_PEER, path, BUS_TRANSFER_INTERFACE, error, &reply);
    return r < 0 ? r : transfer_info_read(reply, transfer);
}

int await_transfer(sd_bus *bus, const char *path, bool (*reached)(const TransferInfo *transfer),
                   uint64_t usec, TransferInfo *ret, sd_bus_error *error) {
    _cleanup_(await_end) Await await = {};
    uint64_t deadline = time_monotonic() + usec;
    int r;

    r = await_begin(&await, bus, path);
    while (r >= 0) {
        r = await_look(bus, path, ret, error);
        if (r >= 0 && reached(ret))
            return 0;
        if (r >= 0)
            r = await_change(&await, bus, deadline);
    }
    return r;
}
