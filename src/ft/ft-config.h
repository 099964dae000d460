// SPDX-License-Identifier: MIT
#pragma once

#include <stdint.h>

#include "config/config.h"
#include "util/address.h"

// The section [ft] of p2pshare.ini(5).
typedef struct FtConfig {
    Endpoint listen;
    uint64_t max_files_per_peer;
    uint64_t max_peers; // sessions at once, accepted or not
    uint64_t max_peers_per_address;
    uint64_t max_handshakes; // sessions that are not accepted
    uint64_t max_handshakes_per_address;
    uint64_t max_files_per_address;
    uint64_t max_records; // of all peers
    uint64_t max_line;    // bytes
    uint64_t max_queue;   // bytes of answers that one peer has not read
    // Bytes that the buffers of all sessions may hold together, in both directions.
    uint64_t max_queues;
    uint64_t max_results;    // of a search
    uint64_t search_rate;    // searches per second and session; 0: no limit
    PrefixList limit_exempt; // exempt from the limits per address
    PrefixList allow;        // only these may connect; none: all may
    PrefixList deny;         // these may not connect
    bool probe;              // test whether peers can be reached
    bool words;              // index the words of names, for FIND
} FtConfig;

// Loads the defaults, then the file. Logs errors. 0, -EINVAL, or -errno as config_load().
int ft_config_load(const char *path, FtConfig *ret);
void ft_config_done(FtConfig *config);

// Whether peers from that address may connect.
bool ft_config_allows(const FtConfig *config, const IpAddress *address);
