// SPDX-License-Identifier: MIT
#pragma once

// org.p2pshare.Peer1: what the peer offers on D-Bus (dbus/org.p2pshare.Peer1.xml).

#include "peer/peer.h"

// Offers it on peer->bus; 0 or -errno.
int peer_bus_add(Peer *peer);
void peer_bus_done(Peer *peer);

// State, Reason, Since, Address, FileTracker or DownloadDirectory may be new.
void peer_bus_state_changed(Peer *peer);
void peer_bus_shares_changed(Peer *peer);
// A scan has ended: answers those who asked for it. r < 0: it failed.
void peer_bus_rescanned(Peer *peer, int r);
