// SPDX-License-Identifier: MIT
#pragma once

// Hashes what has no root yet, in the order of the table, off the loop. Batch by batch: some small
// files, or one large one; what comes out goes into the cache in the thread, and into the table on
// the loop.

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "peer/shares/root-cache.h"
#include "peer/shares/share.h"
#include "util/macro.h"

typedef struct Hasher Hasher;

typedef struct HasherHooks {
    void (*on_hashed)(void *userdata); // some shares are offered now, or have an error
    void (*on_stale)(void *userdata);  // a file is not what the table says: walk again
    void *userdata;
} HasherHooks;

int hasher_new(sd_event *event, RootCache *roots, const HasherHooks *hooks, Hasher **ret);
// Waits for what is under way, which ends at its next read.
Hasher *hasher_free(Hasher *hasher);
DEFINE_CLEANUP_FUNC(Hasher, hasher_free)

// Bytes per second (0: no limit), and threads on one file (0: all cores; for what begins after it).
void hasher_configure(Hasher *hasher, unsigned threads, uint64_t rate);

// Borrowed, until the next one or NULL. What is under way goes on if it is in the new table too;
// the old one must still be there.
void hasher_set_table(Hasher *hasher, ShareTable *table);

bool hasher_is_idle(const Hasher *hasher); // nothing is under way, or waits for its time
// How much of the file that is read now, 0 to 100; -1: it is not this one.
int hasher_percent(const Hasher *hasher, const Share *share);
