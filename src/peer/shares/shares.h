// SPDX-License-Identifier: MIT
#pragma once

// What this peer shares, kept up to date: it walks the configured paths, hashes what is new,
// watches for changes, and walks again. All of it runs on the control loop; hooks say what has
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
    void (*on_table)(void *userdata); // shares_table() is another one
    void (*on_offer)(void *userdata); // shares_next_offered() may say something else now
    // A walk is over, and no other one has to follow at once. 0 or -errno.
    void (*on_scanned)(int result, void *userdata);
    void *userdata;
} SharesHooks;

typedef struct SharesConfig {
    const StringList *paths, *excludes; // borrowed, until the next configuration
    unsigned hash_threads;              // on one file; 0: all cores
    uint64_t hash_rate;                 // bytes per second; 0: no limit
} SharesConfig;

// `state_dir`: where roots are kept across restarts. Walks nothing yet. 0 or -errno.
int shares_new(sd_event *event, const char *state_dir, const SharesConfig *config,
               const SharesHooks *hooks, Shares **ret);
Shares *shares_free(Shares *shares); // ends what is under way, without hooks
DEFINE_CLEANUP_FUNC(Shares, shares_free)

// The values for hashing hold at once, the paths from the next walk on.
void shares_configure(Shares *shares, const SharesConfig *config);

// Walks the shares; one walk at a time. 0 or -errno.
int shares_rescan(Shares *shares);
// The same with another configuration: what is under way is of no use.
int shares_rescan_anew(Shares *shares);

// NULL: the first walk is not over. Valid until the next on_table returns.
const ShareTable *shares_table(const Shares *shares);
// The cache that holds the piece hashes of what is shared.
RootCache *shares_roots(const Shares *shares);

// The next record to be published at or behind *position (at first 0), which is moved behind it.
// False: there are no more. The strings of the record belong to the table.
bool shares_next_offered(const Shares *shares, size_t *position, Record *ret);
// What has to be done before there may be more to publish, in words; NULL: nothing.
const char *shares_pending(const Shares *shares);

bool shares_is_hashing(const Shares *shares);
// How much of the file has been hashed, 0 to 100; -1: it is not its turn.
int shares_hashed_percent(const Shares *shares, const Share *share);
// Why changes may be seen late, in words; "": everything is watched.
const char *shares_watch_problem(const Shares *shares);
