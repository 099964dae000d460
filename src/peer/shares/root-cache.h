// SPDX-License-Identifier: MIT
#pragma once

// Keeps the roots and piece hashes of unchanged files across restarts, in an SQLite database in the
// state directory. Losing it is harmless: the peer then hashes the files again.
//
// There is one row for each file that was ever hashed, by device and inode. Rows of files that no
// longer exist are harmless; root_cache_forget() says when they are dropped.

#include <stdint.h>

#include "util/file-hash.h"

typedef struct RootCache RootCache;

// Opens `directory`/roots.db and makes both if needed. If that fails, it logs why and keeps the
// cache in memory. 0 or -ENOMEM, -EIO.
int root_cache_open(const char *directory, RootCache **ret);
RootCache *root_cache_free(RootCache *cache);
DEFINE_CLEANUP_FUNC(RootCache, root_cache_free)

// Calls the handler for each row, in any order. May be called in any thread. 0 or -EIO; a negative
// value from the handler ends the loop and is returned.
typedef int (*RootCacheHandler)(const FileIdentity *identity, const MerkleHash *root,
                                void *userdata);
int root_cache_each(RootCache *cache, RootCacheHandler handler, void *userdata);

// Writes n rows in one transaction. May be called in any thread. 0 or -EIO, logged.
int root_cache_put(RootCache *cache, const FileHash hashes[], size_t n);

// Drops the rows of these files in one transaction; only device and inode count. May be called in
// any thread. A walk calls it if more than ROOT_CACHE_SPARE rows are useless and those are more
// than half. It does not if a configured path is missing, because its disk may come back.
enum {
    ROOT_CACHE_SPARE = 10000,
};
int root_cache_forget(RootCache *cache, const FileIdentity identities[], size_t n);

// Gets the piece hashes of the file with this root, checked against the root: piece_count(size) of
// them in *ret, which the caller frees. Only from the main thread. 0, -ENOENT or -ENOMEM.
int root_cache_pieces(RootCache *cache, const MerkleHash *root, uint64_t size, MerkleHash **ret);
