// SPDX-License-Identifier: MIT
#pragma once

// Keeps the table of shares up to date. It walks the configured paths, hashes new files, watches
// for changes, and walks again. All calls and hooks run on the control loop; the hooks say what
// changed.
//
//   shares_rescan() ──► walk ──► on_table, on_scanned ──► hash ──► on_offer ──► …
//        ▲                                                 │
//        └── share_watch: a change, hasher: a stale file ◄─┘

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "peer/shares/root-cache.h"
#include "peer/shares/share.h"
#include "proto/record.h"
#include "util/macro.h"

typedef struct Shares Shares;

// None may be NULL.
typedef struct SharesHooks {
    void (*on_table)(void *userdata); // shares_table() now returns another table
    // The records from shares_next_offered() may have changed.
    void (*on_offer)(void *userdata);
    // A walk has ended, and no other walk follows at once. 0 or -errno.
    void (*on_scanned)(int result, void *userdata);
    void *userdata;
} SharesHooks;

typedef struct SharesConfig {
    const StringList *paths, *excludes; // borrowed, until the next configuration
    unsigned hash_threads;              // on one file; 0: all cores
    uint64_t hash_rate;                 // bytes per second; 0: no limit
} SharesConfig;

// `state_dir`: the directory that keeps the roots across restarts. Does not walk yet. 0 or -errno.
int shares_new(sd_event *event, const char *state_dir, const SharesConfig *config,
               const SharesHooks *hooks, Shares **ret);
Shares *shares_free(Shares *shares); // stops all work; calls no hooks
DEFINE_CLEANUP_FUNC(Shares, shares_free)

// Applies the hash_* values at once, and the paths from the next walk on.
void shares_configure(Shares *shares, const SharesConfig *config);

// Walks the shares. Only one walk runs at a time. 0 or -errno.
int shares_rescan(Shares *shares);
// The same after the configuration changed: a walk under way is abandoned.
int shares_rescan_anew(Shares *shares);

// NULL: the first walk has not ended. Valid until the next on_table returns.
const ShareTable *shares_table(const Shares *shares);
// The cache with the piece hashes of the shared files.
RootCache *shares_roots(const Shares *shares);

// Gets the next record to publish, at or after *position, and moves *position behind it. Start with
// 0. False: there are no more. The strings of the record belong to the table.
bool shares_next_offered(const Shares *shares, size_t *position, Record *ret);
// Says which work must finish before there can be more to publish, as text for people; NULL: none.
const char *shares_pending(const Shares *shares);

bool shares_is_hashing(const Shares *shares);
// How much of the file is hashed, 0 to 100; -1: the hasher is not reading it now.
int shares_hashed_percent(const Shares *shares, const Share *share);
// Why the peer may notice changes late, as text for people; "": everything is watched.
const char *shares_watch_problem(const Shares *shares);
