// SPDX-License-Identifier: MIT
#pragma once

// Waiting until the daemon has done what its methods only begin.

#include "ctl/transfer-info.h"

typedef struct Await {
    bool changed;
    sd_bus_slot *changes, *owners; // matches
} Await;

// Notes from now on that properties of the object change, or that the daemon comes or goes. The Await stays where it is.
// 0 or -errno.
int await_begin(Await *await, sd_bus *bus, const char *path);
// Returns when something was noted since the last time: 0; -ETIMEDOUT: not until `deadline` (CLOCK_MONOTONIC µs); -errno.
int await_change(Await *await, sd_bus *bus, uint64_t deadline);
void await_end(Await *await);

// Looks at the transfer until `reached` says so, for `usec` at most. 0; -ETIMEDOUT; -errno with *error set, which is
// UnknownObject where the transfer has gone. *ret is what was seen last, and is to be cleared in any case.
int await_transfer(sd_bus *bus, const char *path, bool (*reached)(const TransferInfo *transfer),
                   uint64_t usec, TransferInfo *ret, sd_bus_error *error);
