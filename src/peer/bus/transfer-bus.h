// SPDX-License-Identifier: MIT
#pragma once

// org.p2pshare.Transfer1: an object for each transfer (dbus/org.p2pshare.Transfer1.xml), and the
// signals of org.p2pshare.Peer1 about transfers.

#include "peer/bus/peer-bus.h"

int transfer_bus_add(PeerBus *self); // 0 or -errno

// The object path of a transfer; caller frees. 0 or -ENOMEM.
int transfer_bus_path(const Transfer *transfer, char **ret);

// Cancels the transfer if the sender of `call` leaves the bus. For a destination that is an open
// file: only the caller can give it a name. 0 or -errno.
int transfer_bus_follow_caller(Transfer *transfer, sd_bus_message *call);
