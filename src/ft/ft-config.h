// SPDX-License-Identifier: MIT
#pragma once

#include <stdint.h>

#include "util/address.h"

// Section [ft] of p2pshare.ini(5).
typedef struct FtConfig {
    Endpoint listen;
    uint64_t max_files_per_peer;
    uint64_t max_peers; // sessions at once, accepted or not
    bool probe;         // try whether peers can be reached
    bool words;         // search for the words of names
} FtConfig;

// Defaults, then the file. Logs what is wrong. 0, -EINVAL, or -errno as config_load().
int ft_config_load(const char *path, FtConfig *ret);
