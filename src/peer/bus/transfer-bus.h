// SPDX-License-Identifier: MIT
#pragma once

// org.p2pshare.Transfer1: each transfer as an object (dbus/org.p2pshare.Transfer1.xml), and the
// signals of org.p2pshare.Peer1 about them.

#include "peer/bus/peer-bus.h"

int transfer_bus_add(PeerBus *self); // 0 or -errno

// The object path of a transfer; caller frees. 0 or -ENOMEM.
int transfer_bus_path(const Transfer *transfer, char **ret);

// Cancels the transfer if who sent `call` leaves the bus: for a destination that only the caller
// can give a name. 0 or -errno.
int transfer_bus_follow_caller(Transfer *transfer, sd_bus_message *call);
