// SPDX-License-Identifier: MIT
#pragma once

// Walks the configured paths and makes a table of shares. It runs in a thread of its own.

#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "peer/shares/root-cache.h"
#include "peer/shares/share.h"
#include "peer/shares/watch-set.h"

typedef struct ShareScan {
    const StringList *paths;
    const StringList *excludes;
    RootCache *roots;             // NULL: no roots are known
    WatchSet *watches;            // NULL: no directory is watched
    const atomic_bool *cancelled; // NULL: cannot be cancelled
} ShareScan;

// Walks the paths in the order given, and the entries of a directory by name. Looks up the roots of
// unchanged files. Blocks. 0, -ENOMEM, -E2BIG, -ECANCELED; a path that fails becomes an entry in
// the table.
int share_scan(const ShareScan *scan, ShareTable **ret);
