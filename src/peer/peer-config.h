// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "peer/tracker/tracker-client.h"
#include "util/address.h"
#include "util/macro.h"

// Sections [peer] and [share] of p2pshare.ini(5).
typedef struct PeerConfig {
    char *ft; // HOST:PORT; NULL: none
    char *ft_host;
    uint16_t ft_port;
    Endpoint listen;
    bool any_port; // a user's own, and no `listen`: another port than the default will do
    char *download_dir;
    char *state_dir; // where the daemon keeps what it knows across restarts; not a key of the file
    Dialect dialect;
    uint64_t max_uploads;
    uint64_t upload_rate, download_rate; // bytes per second; 0: no limit
    PrefixList rate_exempt;
    uint64_t hash_threads; // on one file; 0: all cores
    uint64_t hash_rate;    // bytes per second; 0: no limit
    StringList paths;      // files and directories, absolute
    StringList excludes;   // globs
} PeerConfig;

// Defaults, then the file. `user`: defaults for a user's own daemon. Logs what is wrong. 0,
// -EINVAL, or -errno as config_load(); on -ENOENT *ret holds the defaults all the same, to be given
// to peer_config_done().
int peer_config_load(const char *path, bool user, PeerConfig *ret);
void peer_config_done(PeerConfig *config);
