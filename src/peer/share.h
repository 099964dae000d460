// SPDX-License-Identifier: MIT
#pragma once

// What this peer shares: a table made by walking the configured paths, never changed afterwards; a
// rescan makes a new one. Only files that are in it are ever opened for a stranger.

#include <stdint.h>

#include "config/config.h"
#include "proto/record.h"
#include "util/macro.h"

typedef enum ShareState {
    SHARE_OFFERED,    // goes to FT
    SHARE_LIMIT,      // more than FT keeps of a peer
    SHARE_UNREADABLE, // error says why
    SHARE_VANISHED,   // configured, and not there
    SHARE_DUPLICATE,  // another one has the same name, type and size
    SHARE_UNNAMEABLE, // its name cannot be said in the protocol
    _SHARE_STATE_COUNT,
} ShareState;

const char *share_state_name(ShareState state);

typedef struct Share Share;

typedef struct ShareTable ShareTable;

// Walks the paths in their order, directories by name. Blocks: not for the loop. At most `limit` files
// are offered. 0 or -ENOMEM; what goes wrong with a path is an entry in the table.
int share_table_scan(const StringList *paths, const StringList *excludes, size_t limit,
                     ShareTable **ret);
ShareTable *share_table_free(ShareTable *table);
DEFINE_CLEANUP_FUNC(ShareTable, share_table_free)

size_t share_table_count(const ShareTable *table);
const Share *share_table_at(const ShareTable *table, size_t i);

// The file that a DOWNLOAD means: name.type, then name; its size must be the one of the record. NULL:
// not shared. Files beyond FT's limit are shared too, for whoever knows of them.
const Share *share_table_find(const ShareTable *table, const char *name, const char *type,
                              uint64_t size);

const char *share_path(const Share *share); // absolute
ShareState share_state(const Share *share);
int share_error(const Share *share);     // errno > 0 of SHARE_UNREADABLE and SHARE_VANISHED
Record share_record(const Share *share); // borrowed strings, no endpoint

// Opens the file without leaving the shared path. Returns an fd; -ESTALE: its size is no longer that of
// the table; -errno.
int share_open(const Share *share);
