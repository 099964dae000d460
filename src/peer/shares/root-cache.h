// SPDX-License-Identifier: MIT
#pragma once

// The roots of files that have not changed, and their piece hashes, across restarts: SQLite in the
// state directory. It may be lost at any time: then files are hashed again.
//
// A row per file that was ever hashed, by device and inode. Rows of files that are gone are
// harmless; see root_cache_forget() for when they go.

#include <stdint.h>

#include "util/file-hash.h"

typedef struct RootCache RootCache;

// Opens `directory`/roots.db, both made if needed. Where that cannot be, the cache is in memory,
// which is logged. 0 or -ENOMEM, -EIO.
int root_cache_open(const char *directory, RootCache **ret);
RootCache *root_cache_free(RootCache *cache);
DEFINE_CLEANUP_FUNC(RootCache, root_cache_free)

// All rows, in no order that counts. In any thread. 0 or -EIO; negative from the handler ends it.
typedef int (*RootCacheHandler)(const FileIdentity *identity, const MerkleHash *root,
                                void *userdata);
int root_cache_each(RootCache *cache, RootCacheHandler handler, void *userdata);

// Writes that many rows in one transaction. In any thread. 0 or -EIO, logged.
int root_cache_put(RootCache *cache, const FileHash hashes[], size_t n);

// Drops the rows of those files (only device and inode count), in one transaction. In any thread. A
// walk does that once more than ROOT_CACHE_SPARE rows are useless and those are more than half, and
// nothing configured is missing (its disk may come back).
enum {
    ROOT_CACHE_SPARE = 10000,
};
int root_cache_forget(RootCache *cache, const FileIdentity identities[], size_t n);

// The piece hashes of a file, which lead to the root: *ret is the caller's, piece_count(size) of
// them. From the main thread. 0, -ENOENT or -ENOMEM.
int root_cache_pieces(RootCache *cache, const MerkleHash *root, uint64_t size, MerkleHash **ret);
