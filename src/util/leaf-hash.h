// SPDX-License-Identifier: MIT
#pragma once

// SHA-256 of many leaves at once. A core can hash several streams at the same time, which takes at
// most half as long as one after another. libipsec-mb does this where it exists (Debian: amd64).
// Elsewhere there is no LeafHasher, and Merkle works without.

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    LEAVES_AT_ONCE = 64,
};

// 200 KB, for one thread at a time.
typedef struct LeafHasher LeafHasher;

// NULL: not supported here, or out of memory.
LeafHasher *leaf_hasher_new(void);
LeafHasher *leaf_hasher_free(LeafHasher *hasher);
DEFINE_CLEANUP_FUNC(LeafHasher, leaf_hasher_free)

// Hashes n whole leaves, at most LEAVES_AT_ONCE, that lie one behind another. 0, or -EIO: the
// library failed.
int leaf_hasher_run(LeafHasher *hasher, const uint8_t *data, size_t n, MerkleHash ret[]);
