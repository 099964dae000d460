// SPDX-License-Identifier: MIT
#pragma once

// How what the peer shares is kept up to date: walks, hashing, watching, and what FT is told of it.

#include "peer/peer.h"

int peer_shares_init(Peer *peer); // 0 or -errno
// Ends what is under way.
void peer_shares_done(Peer *peer);

// TrackerHooks.next_offered, of a Peer.
bool peer_shares_next_offered(void *userdata, size_t *position, Record *ret);
// TrackerHooks.offer_pending, of a Peer.
const char *peer_shares_pending(void *userdata);

// Walks the shares; one walk at a time. 0 or -errno.
int peer_rescan(Peer *peer);
// The same with another configuration: what is under way is of no use.
int peer_rescan_anew(Peer *peer);
