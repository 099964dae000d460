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
    // True for a user's own daemon without `listen`: it may use another port than the default.
    bool any_port;
    char *download_dir;
    // The directory for data that must survive restarts; not a key of the file.
    char *state_dir;
    Dialect dialect;
    uint64_t max_uploads;
    uint64_t upload_rate, download_rate; // bytes per second; 0: no limit
    PrefixList rate_exempt;
    uint64_t hash_threads; // on one file; 0: all cores
    uint64_t hash_rate;    // bytes per second; 0: no limit
    StringList paths;      // files and directories, absolute
    StringList excludes;   // globs
} PeerConfig;

// Sets the defaults, then reads the file. `user`: the defaults for a user's own daemon. Logs each
// error in the file. 0, -EINVAL, or -errno as config_load(). On 0 and -ENOENT, *ret holds the
// configuration (on -ENOENT the defaults); free it with peer_config_done().
int peer_config_load(const char *path, bool user, PeerConfig *ret);
void peer_config_done(PeerConfig *config);
