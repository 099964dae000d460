// SPDX-License-Identifier: MIT
#pragma once

// Waits until the daemon has finished what a method call only starts.

#include "ctl/transfer-info.h"

typedef struct Await {
    bool changed;
    sd_bus_slot *changes, *owners; // D-Bus matches
} Await;

// Notes from now on whether a property of the object changes, or the daemon starts or stops. The
// matches point to *await, so it must not move. 0 or -errno.
int await_begin(Await *await, sd_bus *bus, const char *path);
// Waits for the next such change. 0; -ETIMEDOUT if there was none until `deadline`
// (CLOCK_MONOTONIC, µs); or -errno.
int await_change(Await *await, sd_bus *bus, uint64_t deadline);
void await_end(Await *await);

// Polls the transfer until `reached` returns true, for at most `usec`. 0; -ETIMEDOUT; or -errno
// with *error set. The error is UnknownObject if the transfer no longer exists. *ret is the last
// state seen; the caller clears it in every case.
int await_transfer(sd_bus *bus, const char *path, bool (*reached)(const TransferInfo *transfer),
                   uint64_t usec, TransferInfo *ret, sd_bus_error *error);
