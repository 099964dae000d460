// SPDX-License-Identifier: MIT

#include "ft/ft-config.h"

#include "config/config.h"
#include "ft/ft-state.h"
#include "proto/protocol.h"
#include "util/macro.h"

enum {
    MAX_PEERS = 1000000,
    MAX_PEERS_DEFAULT = 16384,
    RECORDS_MAX = 60000000, // what the index can number
    LINE_BYTES_MIN = 1024,  // our own longest record
    LINE_BYTES_LIMIT = 65536,
    QUEUE_MIN = ANSWER_BYTES_MAX,
    // A session with more unsent bytes would not survive a restart.
    QUEUE_MAX = SAVED_OUT_BYTES_MAX,
};

static const ConfigKey keys[] = {
    {"ft", "listen", config_parse_endpoint, offsetof(FtConfig, listen), 0, 0,
     "ADDRESS:PORT, such as [::]:5555 or 192.0.2.1:5555"},
    {"ft", "max-files-per-peer", config_parse_number, offsetof(FtConfig, max_files_per_peer), 1,
     FILES_PER_PEER_MAX, "a number from 1 to 10000"},
    {"ft", "max-peers", config_parse_number, offsetof(FtConfig, max_peers), 1, MAX_PEERS,
     "a number from 1 to 1000000"},
    {"ft", "max-peers-per-address", config_parse_number, offsetof(FtConfig, max_peers_per_address),
     1, MAX_PEERS, "a number from 1 to 1000000"},
    {"ft", "max-handshakes", config_parse_number, offsetof(FtConfig, max_handshakes), 1, MAX_PEERS,
     "a number from 1 to 1000000"},
    {"ft", "max-handshakes-per-address", config_parse_number,
     offsetof(FtConfig, max_handshakes_per_address), 1, MAX_PEERS, "a number from 1 to 1000000"},
    {"ft", "max-files-per-address", config_parse_number, offsetof(FtConfig, max_files_per_address),
     1, RECORDS_MAX, "a number from 1 to 60000000"},
    {"ft", "max-records", config_parse_number, offsetof(FtConfig, max_records), 1, RECORDS_MAX,
     "a number from 1 to 60000000"},
    {"ft", "max-line", config_parse_size, offsetof(FtConfig, max_line), LINE_BYTES_MIN,
     LINE_BYTES_LIMIT, "bytes, from 1K to 64K"},
    {"ft", "max-queue", config_parse_size, offsetof(FtConfig, max_queue), QUEUE_MIN, QUEUE_MAX,
     "bytes, from 64K to 1M"},
    {"ft", "max-queues", config_parse_size, offsetof(FtConfig, max_queues), QUEUE_MIN, UINT64_MAX,
     "bytes, 64K at least, such as 256M"},
    {"ft", "max-results", config_parse_number, offsetof(FtConfig, max_results), 1, RESULTS_MAX,
     "a number from 1 to 64"},
    {"ft", "search-rate", config_parse_number, offsetof(FtConfig, search_rate), 0, 1000000,
     "searches per second, up to 1000000; 0: no limit"},
    {"ft", "limit-exempt", config_parse_prefixes, offsetof(FtConfig, limit_exempt), 0, 0,
     "ADDRESS or ADDRESS/BITS, such as 192.0.2.0/24"},
    {"ft", "allow", config_parse_prefixes, offsetof(FtConfig, allow), 0, 0,
     "ADDRESS or ADDRESS/BITS, such as 192.0.2.0/24"},
    {"ft", "deny", config_parse_prefixes, offsetof(FtConfig, deny), 0, 0,
     "ADDRESS or ADDRESS/BITS, such as 192.0.2.0/24"},
    {"ft", "probe", config_parse_bool, offsetof(FtConfig, probe), 0, 0, "yes or no"},
    {"ft", "words", config_parse_bool, offsetof(FtConfig, words), 0, 0, "yes or no"},
};

static const char *const other_sections[] = {"peer", "share", "share-access", NULL};

int ft_config_load(const char *path, FtConfig *ret) {
    FtConfig config = {
        .listen = {.address.family = AF_INET6, .port = FT_PORT_DEFAULT}, // [::]
        .max_files_per_peer = FILES_PER_PEER_DEFAULT,
        .max_peers = MAX_PEERS_DEFAULT,
        .max_peers_per_address = 1024,
        .max_handshakes = 4096,
        .max_handshakes_per_address = 512,
        .max_files_per_address = 100000,
        .max_records = 10000000,
        .max_line = LINE_BYTES_MAX,
        .max_queue = QUEUE_MAX,
        .max_queues = 256 * 1024 * 1024,
        .max_results = RESULTS_MAX,
        .search_rate = 1000,
        .probe = true,
        .words = true,
    };
    int r;

    r = config_load(path, keys, ELEMENTSOF(keys), other_sections, &config);
    r = config_load_drop_ins(path, keys, ELEMENTSOF(keys), other_sections, &config, r);
    if (r == -ENOENT)
        *ret = config; // the caller knows whether the file must exist
    if (r < 0 && r != -ENOENT)
        ft_config_done(&config);
    if (r < 0)
        return r;
    *ret = config;
    return 0;
}

void ft_config_done(FtConfig *config) {
    prefix_list_clear(&config->limit_exempt);
    prefix_list_clear(&config->allow);
    prefix_list_clear(&config->deny);
}

bool ft_config_allows(const FtConfig *config, const IpAddress *address) {
    return (config->allow.count == 0 || prefix_list_contains(&config->allow, address)) &&
           !prefix_list_contains(&config->deny, address);
}
