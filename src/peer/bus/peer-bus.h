// SPDX-License-Identifier: MIT
#pragma once

// org.p2pshare.Peer1: the interface of the peer on D-Bus (dbus/org.p2pshare.Peer1.xml).

#include <systemd/sd-bus.h>

#include "bus/polkit.h"
#include "daemon/daemon.h"
#include "peer/bus/examine-bus.h"
#include "peer/peer.h"

enum {
    RESCANS_MAX = 64, // calls that wait for a walk of the shares
};

// The userdata of each method and property of Peer1.
typedef struct PeerBus {
    Peer *peer;     // borrowed
    Daemon *daemon; // borrowed; Reload reloads it
    sd_bus *bus;
    Polkit *polkit; // decides who may call the guarded methods
    // Calls of Rescan and Reload. The end of a walk answers them.
    sd_bus_message *rescans[RESCANS_MAX];
    size_t rescan_count;
    Examiner examiner;
} PeerBus;

// Offers the peer on `bus`, and sets the hooks of the peer and of its transfers. Takes a reference
// of `bus`. 0 or -errno.
int peer_bus_new(Peer *peer, Daemon *daemon, sd_bus *bus, PeerBus **ret);
// Flushes and closes the connection. Call it after peer_free(), which still sends signals.
PeerBus *peer_bus_free(PeerBus *self);
DEFINE_CLEANUP_FUNC(PeerBus, peer_bus_free)
