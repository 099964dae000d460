// SPDX-License-Identifier: MIT
#pragma once

// Tells what a file is, whatever its name: the "pieces root" of BitTorrent v2 (BEP 52). It is a
// SHA-256 Merkle tree over leaves of 16 KiB, of which the last may be shorter. Zero hashes fill the
// number of leaves up to a power of two. BEP 52 has no root for an empty file; here it is the hash
// of one empty leaf.
//
// A piece is an aligned subtree, and is requested and verified as a whole. Its hash covers its
// leaves and zero hashes up to a whole piece. The hashes of all pieces are the tree's piece layer
// (BEP 52, "piece layers") and lead to the root. If a file has only one piece, its hash is the
// root: it is padded no further than the tree of the file.

#include <stddef.h>
#include <stdint.h>

#include "util/leaf-hash.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    MERKLE_LEAF_BYTES = 16384,
    PIECE_BYTES_MIN = 1024 * 1024,
    // Larger files have larger pieces, so that a piece layer stays below 2 MiB.
    PIECES_MAX = 65536,
};

// Computes a root from the bytes of a file, in order, with constant memory.
typedef struct Merkle Merkle;

int merkle_new(Merkle **ret); // 0, -ENOMEM, or -ENOTSUP: no SHA-256
Merkle *merkle_free(Merkle *merkle);
DEFINE_CLEANUP_FUNC(Merkle, merkle_free)

// Sets the hasher for whole leaves, or NULL. It must outlive this use. Several Merkles of one
// thread may share it.
void merkle_use(Merkle *merkle, LeafHasher *leaves);

int merkle_update(Merkle *merkle, const void *data, size_t len); // 0, or -EIO: the library failed
// Computes the root of all bytes so far. The next update begins another file. 0 or -EIO.
int merkle_finish(Merkle *merkle, MerkleHash *ret);

// The size of the pieces of a file of `size` bytes. An empty file is one empty piece.
uint64_t piece_bytes(uint64_t size);
uint64_t piece_count(uint64_t size);
// The length of that piece; the last one is shorter.
uint64_t piece_len(uint64_t size, uint64_t piece);

// Computes the hash of one piece of a file of `size` bytes from all bytes so far. The next update
// begins another piece. 0 or -EIO.
int merkle_finish_piece(Merkle *merkle, uint64_t size, MerkleHash *ret);
// Computes the root from the hashes of all piece_count(size) pieces. Do not call it between an
// update and its finish. 0 or -EIO.
int merkle_root_of_pieces(Merkle *merkle, const MerkleHash pieces[], uint64_t size,
                          MerkleHash *ret);
