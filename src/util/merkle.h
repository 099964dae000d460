// SPDX-License-Identifier: MIT
#pragma once

// What a file is, whatever its name: the pieces root of BitTorrent v2 (BEP 52, "pieces root"). A SHA-256
// Merkle tree over leaves of 16 KiB, the last one shorter, filled up with zero hashes to a power of two of
// leaves. BEP 52 has no root for an empty file; here it is the hash of one empty leaf.

//
// A piece is what is asked of a peer and verified at once: an aligned subtree. Its hash covers its leaves and
// zero hashes up to a whole piece; the hashes of all pieces are the tree's piece layer (BEP 52, "piece
// layers"), and lead to the root. The one piece of a file that has no more is padded no further than the
// file's own tree: its hash is the root.

#include <stddef.h>
#include <stdint.h>

#include "util/leaf-hash.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    MERKLE_LEAF_BYTES = 16384,
    PIECE_BYTES_MIN = 1024 * 1024,
    // A larger file has larger pieces, so that its piece layer stays below 2 MiB.
    PIECES_MAX = 65536,
};

// Computes a root from the bytes of a file in their order, in constant memory.
typedef struct Merkle Merkle;

int merkle_new(Merkle **ret); // 0, -ENOMEM, or -ENOTSUP: no SHA-256
Merkle *merkle_free(Merkle *merkle);
DEFINE_CLEANUP_FUNC(Merkle, merkle_free)

// Has whole leaves hashed by that one, which must live until it is another, or NULL, or the Merkle has gone; it may serve
// others of the same thread.
void merkle_use(Merkle *merkle, LeafHasher *leaves);

int merkle_update(Merkle *merkle, const void *data, size_t len); // 0 or -EIO: the library failed
// The root of all bytes so far; the next update begins another file. 0 or -EIO.
int merkle_finish(Merkle *merkle, MerkleHash *ret);

// How a file of `size` bytes is cut into pieces. An empty file is one empty piece.
uint64_t piece_bytes(uint64_t size);
uint64_t piece_count(uint64_t size);
// Bytes of that piece: the last one is shorter.
uint64_t piece_len(uint64_t size, uint64_t piece);

// The hash of a piece of a file of `size` bytes, from all its bytes so far; the next update begins another
// piece. 0 or -EIO.
int merkle_finish_piece(Merkle *merkle, uint64_t size, MerkleHash *ret);
// The root that the hashes of all pieces lead to: piece_count(size) of them. Not between an update and its
// finish. 0 or -EIO.
int merkle_root_of_pieces(Merkle *merkle, const MerkleHash pieces[], uint64_t size,
                          MerkleHash *ret);
