// SPDX-License-Identifier: MIT
#pragma once

// SHA-256 of many leaves at once. A core can work at several streams in the time of one, which takes half the time or
// less of one after the other: libipsec-mb does it, where there is one (Debian: amd64). Elsewhere there is no LeafHasher,
// and Merkle does without.

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    LEAVES_AT_ONCE = 64,
};

// 200 KB, for one thread at a time.
typedef struct LeafHasher LeafHasher;

// NULL: there is none here, or no memory for it.
LeafHasher *leaf_hasher_new(void);
LeafHasher *leaf_hasher_free(LeafHasher *hasher);
DEFINE_CLEANUP_FUNC(LeafHasher, leaf_hasher_free)

// The hashes of n whole leaves, at most LEAVES_AT_ONCE, that are one behind the other. 0 or -EIO: the library failed.
int leaf_hasher_run(LeafHasher *hasher, const uint8_t *data, size_t n, MerkleHash ret[]);
