// SPDX-License-Identifier: MIT
#pragma once

// What a file is, whatever its name: the pieces root of BitTorrent v2 (BEP 52, "pieces root"). A SHA-256
// Merkle tree over leaves of 16 KiB, the last one shorter, filled up with zero hashes to a power of two of
// leaves. BEP 52 has no root for an empty file; here it is the hash of one empty leaf.

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

enum {
    MERKLE_LEAF_BYTES = 16384,
    MERKLE_HASH_BYTES = 32,
    MERKLE_TEXT_BYTES = 2 * MERKLE_HASH_BYTES, // hex digits
};

typedef struct MerkleHash {
    uint8_t bytes[MERKLE_HASH_BYTES];
} MerkleHash;

// Computes a root from the bytes of a file in their order, in constant memory.
typedef struct Merkle Merkle;

int merkle_new(Merkle **ret); // 0, -ENOMEM, or -ENOTSUP: no SHA-256
Merkle *merkle_free(Merkle *merkle);
DEFINE_CLEANUP_FUNC(Merkle, merkle_free)

int merkle_update(Merkle *merkle, const void *data, size_t len); // 0 or -EIO: the library failed
// The root of all bytes so far; the next update begins another file. 0 or -EIO.
int merkle_finish(Merkle *merkle, MerkleHash *ret);

// Lower-case hex, with a NUL.
void merkle_format(const MerkleHash *hash, char text[static MERKLE_TEXT_BYTES + 1]);
