// SPDX-License-Identifier: MIT
#pragma once

// Hashes the files that have no root yet, in the order of the table, in a thread of its own. It
// takes one batch after another: some small files, or one large one. The thread puts the hashes
// into the cache; the loop puts them into the table.

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "peer/shares/root-cache.h"
#include "peer/shares/share.h"
#include "util/macro.h"

typedef struct Hasher Hasher;

typedef struct HasherHooks {
    void (*on_hashed)(void *userdata); // some shares are now offered, or failed
    // A file differs from its entry in the table: the shares must be walked again.
    void (*on_stale)(void *userdata);
    void *userdata;
} HasherHooks;

int hasher_new(sd_event *event, RootCache *roots, const HasherHooks *hooks, Hasher **ret);
// Waits for the batch under way, which ends at its next read.
Hasher *hasher_free(Hasher *hasher);
DEFINE_CLEANUP_FUNC(Hasher, hasher_free)

// `rate`: bytes per second; 0: no limit. `threads`: on one file; 0: all cores; a new value applies
// to the next batch.
void hasher_configure(Hasher *hasher, unsigned threads, uint64_t rate);

// Borrows the table until the next call; NULL takes it away. A file that is being hashed goes on if
// the new table has it too; the old table must still exist during the call.
void hasher_set_table(Hasher *hasher, ShareTable *table);

// True if no file is being hashed, and none waits until it may be.
bool hasher_is_idle(const Hasher *hasher);
// How much of this file has been read, 0 to 100; -1: the hasher is not reading it now.
int hasher_percent(const Hasher *hasher, const Share *share);
