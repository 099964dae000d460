// SPDX-License-Identifier: MIT
#pragma once

// A SHA-256 hash of a Merkle tree as a value. Separate from merkle.h, so that code that only passes
// roots on does not need libcrypto.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    MERKLE_HASH_BYTES = 32,
    MERKLE_TEXT_BYTES = 2 * MERKLE_HASH_BYTES, // hex digits
};

typedef struct MerkleHash {
    uint8_t bytes[MERKLE_HASH_BYTES];
} MerkleHash;

static inline bool merkle_hash_equal(const MerkleHash *a, const MerkleHash *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// Lower-case hex, with a NUL.
void merkle_hash_format(const MerkleHash *hash, char text[static MERKLE_TEXT_BYTES + 1]);

// Parses exactly MERKLE_TEXT_BYTES hex digits, in either case. 0 or -EINVAL.
int merkle_hash_parse(const char *text, size_t len, MerkleHash *ret);
