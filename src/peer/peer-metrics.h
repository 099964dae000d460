// SPDX-License-Identifier: MIT
#pragma once

#include "peer/peer.h"

// Writes the metrics that p2p-peer(8) lists, as OpenMetrics text. The caller frees *ret. 0 or
// -ENOMEM.
int peer_metrics(const Peer *peer, char **ret);
