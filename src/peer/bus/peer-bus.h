// SPDX-License-Identifier: MIT
#pragma once

// org.p2pshare.Peer1: what the peer offers on D-Bus (dbus/org.p2pshare.Peer1.xml).

#include <systemd/sd-bus.h>

#include "bus/polkit.h"
#include "daemon/daemon.h"
#include "peer/bus/examine-bus.h"
#include "peer/peer.h"

enum {
    RESCANS_MAX = 64, // callers that wait for a walk of the shares
};

// What answers on the bus. It is the userdata of each method and property of Peer1.
typedef struct PeerBus {
    Peer *peer;     // borrowed
    Daemon *daemon; // borrowed; to be reloaded
    sd_bus *bus;
    Polkit *polkit;                       // who may what
    sd_bus_message *rescans[RESCANS_MAX]; // calls of Rescan and Reload, to be answered after a walk
    size_t rescan_count;
    Examiner examiner;
} PeerBus;

// Offers the peer on `bus` (of which it takes a reference), and sets the hooks of the peer and of
// its transfers. 0 or -errno.
int peer_bus_new(Peer *peer, Daemon *daemon, sd_bus *bus, PeerBus **ret);
// After peer_free(), which still sends signals. Flushes and closes the connection.
PeerBus *peer_bus_free(PeerBus *self);
DEFINE_CLEANUP_FUNC(PeerBus, peer_bus_free)
