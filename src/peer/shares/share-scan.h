// SPDX-License-Identifier: MIT
#pragma once

// The walk that makes a table of shares, in a thread of its own.

#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "peer/shares/root-cache.h"
#include "peer/shares/share.h"
#include "peer/shares/watch-set.h"

typedef struct ShareScan {
    const StringList *paths;
    const StringList *excludes;
    RootCache *roots;             // NULL: none is known
    WatchSet *watches;            // NULL: nobody watches
    const atomic_bool *cancelled; // NULL: never
} ShareScan;

// Walks the paths in their order, directories by name, and looks up the roots of what has not
// changed. Blocks. 0, -ENOMEM, -E2BIG, -ECANCELED; what goes wrong with a path is an entry in the
// table.
int share_scan(const ShareScan *scan, ShareTable **ret);
