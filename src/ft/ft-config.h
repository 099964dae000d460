// SPDX-License-Identifier: MIT
#pragma once

#include <stdint.h>

#include "config/config.h"
#include "util/address.h"

// Section [ft] of p2pshare.ini(5).
typedef struct FtConfig {
    Endpoint listen;
    uint64_t max_files_per_peer;
    uint64_t max_peers; // sessions at once, accepted or not
    uint64_t max_peers_per_address;
    uint64_t max_handshakes; // of these, not accepted
    uint64_t max_handshakes_per_address;
    uint64_t max_files_per_address;
    uint64_t max_records;    // of all
    uint64_t max_line;       // bytes
    uint64_t max_queue;      // bytes of answers that one peer has not read
    uint64_t max_queues;     // and all of them, with what waits to be answered
    uint64_t max_results;    // of a search
    uint64_t search_rate;    // searches per second and session; 0: no limit
    PrefixList limit_exempt; // for whom the limits per address do not hold
    PrefixList allow;        // these only; none: all
    PrefixList deny;         // not these
    bool probe;              // try whether peers can be reached
    bool words;              // search for the words of names
} FtConfig;

// Defaults, then the file. Logs what is wrong. 0, -EINVAL, or -errno as config_load().
int ft_config_load(const char *path, FtConfig *ret);
void ft_config_done(FtConfig *config);

// Whether peers of that address may connect.
bool ft_config_allows(const FtConfig *config, const IpAddress *address);
