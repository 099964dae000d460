// SPDX-License-Identifier: MIT
#pragma once

// The properties of org.p2pshare.Peer1.

#include <jansson.h>

#include "ctl/ctl.h"

typedef struct ShareInfo {
    char *path;
    uint64_t size; // bytes
    char *state;
    char *explanation;
} ShareInfo;

typedef struct ShareInfoList {
    ShareInfo *shares;
    size_t n;
} ShareInfoList;

typedef struct PeerInfo {
    char *version;
    char *state;
    char *reason;
    uint64_t since; // µs since the epoch
    char *file_tracker;
    char *address;
    char *reachable; // "yes", "no" or "unknown": whether FT could connect to it
    char *download_directory;
    char *download_problem; // why the daemon cannot write there; or ""
    char *watch_problem;    // why it may notice changes of shared files late; or ""
    ShareInfoList shares;
} PeerInfo;

// Reads an a{sv} of properties into *peer; the others keep their values. 0 or -errno.
int peer_info_read(sd_bus_message *message, PeerInfo *peer);
void peer_info_clear(PeerInfo *peer);

// Asks the daemon. 0, or -errno with *error set.
int peer_info_get(sd_bus *bus, PeerInfo *ret, sd_bus_error *error);

bool share_is_published(const ShareInfo *share);
bool share_is_hashing(const ShareInfo *share);

typedef struct ShareCounts {
    size_t published, hashing, others;
} ShareCounts;
ShareCounts peer_info_count(const PeerInfo *peer);
// "4 published, 2 being hashed, 1 not". Caller frees; NULL = no memory.
char *share_counts_describe(const ShareCounts *counts);

// Whether FT has tried to connect to the peer, and failed.
bool peer_info_is_unreachable(const PeerInfo *peer);

// "p2p-peer has been joined to …": its state in one line. Caller frees; NULL = no memory.
char *peer_info_describe(const PeerInfo *peer);

// Everything except the shares. NULL = no memory.
json_t *peer_info_json(const PeerInfo *peer);
