// SPDX-License-Identifier: MIT

#include "ft/ft-config.h"

#include "config/config.h"
#include "proto/protocol.h"
#include "util/macro.h"

enum {
    MAX_PEERS = 1000000,
    MAX_PEERS_DEFAULT = 16384,
};

static const ConfigKey keys[] = {
    {"ft", "listen", config_parse_endpoint, offsetof(FtConfig, listen), 0, 0,
     "ADDRESS:PORT, such as [::]:5555 or 192.0.2.1:5555"},
    {"ft", "max-files-per-peer", config_parse_number, offsetof(FtConfig, max_files_per_peer), 1,
     FILES_PER_PEER_MAX, "a number from 1 to 10000"},
    {"ft", "max-peers", config_parse_number, offsetof(FtConfig, max_peers), 1, MAX_PEERS,
     "a number from 1 to 1000000"},
    {"ft", "probe", config_parse_bool, offsetof(FtConfig, probe), 0, 0, "yes or no"},
    {"ft", "words", config_parse_bool, offsetof(FtConfig, words), 0, 0, "yes or no"},
};

static const char *const other_sections[] = {"peer", "share", NULL};

int ft_config_load(const char *path, FtConfig *ret) {
    FtConfig config = {
        .listen = {.address.family = AF_INET6, .port = FT_PORT_DEFAULT}, // [::]
        .max_files_per_peer = FILES_PER_PEER_DEFAULT,
        .max_peers = MAX_PEERS_DEFAULT,
        .probe = true,
        .words = true,
    };
    int r;

    r = config_load(path, keys, ELEMENTSOF(keys), other_sections, &config);
    if (r == -ENOENT)
        *ret = config; // the caller knows whether the file has to be there
    if (r < 0)
        return r;
    *ret = config;
    return 0;
}
