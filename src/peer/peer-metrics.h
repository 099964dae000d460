// SPDX-License-Identifier: MIT
#pragma once

#include "peer/peer.h"

// What p2p-peer(8) lists, as OpenMetrics text. Caller frees. 0 or -ENOMEM.
int peer_metrics(const Peer *peer, char **ret);
