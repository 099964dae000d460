// SPDX-License-Identifier: MIT

#include "util/merkle.h"

#include <openssl/evp.h>
#include <stdbool.h>

enum {
    // A file of 2^63 bytes has 2^49 leaves.
    LEVELS = 64,
    // Fewer leaves are as fast one by one.
    LEAVES_WORTH_IT = 2,
};

struct Merkle {
    EVP_MD *md;       // kept, as looking it up costs more than hashing a node
    EVP_MD_CTX *leaf; // for the leaf that is being filled
    EVP_MD_CTX *node;
    size_t leaf_len;
    LeafHasher *hasher;         // for whole leaves; borrowed, may be NULL
    uint64_t leaves;            // complete ones
    MerkleHash pending[LEVELS]; // [i]: a subtree of 2^i leaves, if bit i of `leaves` is set
    MerkleHash zero[LEVELS];    // [i]: a subtree of 2^i zero hashes
};

static int merkle_hash_nodes(Merkle *merkle, const MerkleHash *left, const MerkleHash *right,
                             MerkleHash *ret) {
    // SHA-256 takes a whole block directly, but copies halves.
    const MerkleHash both[2] = {*left, *right};

    if (!EVP_DigestInit_ex2(merkle->node, merkle->md, NULL) ||
        !EVP_DigestUpdate(merkle->node, both, sizeof(both)) ||
        !EVP_DigestFinal_ex(merkle->node, ret->bytes, NULL))
        return -EIO;
    return 0;
}

static int merkle_begin_leaf(Merkle *merkle) {
    merkle->leaf_len = 0;
    return EVP_DigestInit_ex2(merkle->leaf, merkle->md, NULL) ? 0 : -EIO;
}

int merkle_new(Merkle **ret) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    int r;

    merkle = calloc(1, sizeof(*merkle));
    if (!merkle)
        return -ENOMEM;
    merkle->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!merkle->md)
        return -ENOTSUP;
    merkle->leaf = EVP_MD_CTX_new();
    merkle->node = EVP_MD_CTX_new();
    if (!merkle->leaf || !merkle->node)
        return -ENOMEM;
    for (size_t i = 1; i < LEVELS; i++) {
        r = merkle_hash_nodes(merkle, &merkle->zero[i - 1], &merkle->zero[i - 1], &merkle->zero[i]);
        if (r < 0)
            return r;
    }
    r = merkle_begin_leaf(merkle);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(merkle);
    return 0;
}

Merkle *merkle_free(Merkle *merkle) {
    if (!merkle)
        return NULL;
    EVP_MD_CTX_free(merkle->leaf);
    EVP_MD_CTX_free(merkle->node);
    EVP_MD_free(merkle->md);
    free(merkle);
    return NULL;
}

// A complete subtree of 2^level leaves joins its neighbour, that pair joins the pair next to it,
// and so on, like carries in a binary counter.
static int merkle_join_subtree(Merkle *merkle, MerkleHash hash, size_t level) {
    uint64_t leaves = UINT64_C(1) << level;
    int r;

    for (; merkle->leaves & (UINT64_C(1) << level); level++) {
        r = merkle_hash_nodes(merkle, &merkle->pending[level], &hash, &hash);
        if (r < 0)
            return r;
    }
    merkle->pending[level] = hash;
    merkle->leaves += leaves;
    return 0;
}

static int merkle_end_leaf(Merkle *merkle) {
    MerkleHash hash;
    int r;

    if (!EVP_DigestFinal_ex(merkle->leaf, hash.bytes, NULL))
        return -EIO;
    r = merkle_join_subtree(merkle, hash, 0);
    return r < 0 ? r : merkle_begin_leaf(merkle);
}

void merkle_use(Merkle *merkle, LeafHasher *leaves) {
    merkle->hasher = leaves;
}

// Hashes as many whole leaves as there are, at once. Returns how many bytes, or -EIO.
static ssize_t merkle_add_leaves(Merkle *merkle, const uint8_t *data, size_t len) {
    const size_t n = MIN(len / MERKLE_LEAF_BYTES, (size_t)LEAVES_AT_ONCE);
    MerkleHash hashes[LEAVES_AT_ONCE];
    int r;

    r = leaf_hasher_run(merkle->hasher, data, n, hashes);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = merkle_join_subtree(merkle, hashes[i], 0);
    return r < 0 ? r : (ssize_t)(n * MERKLE_LEAF_BYTES);
}

int merkle_update(Merkle *merkle, const void *data, size_t len) {
    const uint8_t *p = data;
    int r;

    while (merkle->hasher && merkle->leaf_len == 0 && len >= LEAVES_WORTH_IT * MERKLE_LEAF_BYTES) {
        ssize_t n = merkle_add_leaves(merkle, p, len);

        if (n < 0)
            return (int)n;
        p += n;
        len -= n;
    }
    while (len > 0) {
        size_t n = MIN(len, MERKLE_LEAF_BYTES - merkle->leaf_len);

        if (!EVP_DigestUpdate(merkle->leaf, p, n))
            return -EIO;
        merkle->leaf_len += n;
        p += n;
        len -= n;
        if (merkle->leaf_len == MERKLE_LEAF_BYTES) {
            r = merkle_end_leaf(merkle);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

// Joins the subtrees that wait for a neighbour into one tree of at least 2^min_level leaves. Zeros
// fill the gaps.
static int merkle_join_pending(Merkle *merkle, size_t min_level, MerkleHash *ret) {
    bool carried = false;
    MerkleHash hash;
    int r;

    for (size_t level = 0;; level++) {
        uint64_t above = merkle->leaves >> level;
        bool here = above & 1;

        if (level >= min_level && above == (carried ? 0 : 1)) {
            *ret = carried ? hash : merkle->pending[level];
            return 0;
        }
        if (here && carried)
            r = merkle_hash_nodes(merkle, &merkle->pending[level], &hash, &hash);
        else if (here)
            r = merkle_hash_nodes(merkle, &merkle->pending[level], &merkle->zero[level], &hash);
        else if (carried)
            r = merkle_hash_nodes(merkle, &hash, &merkle->zero[level], &hash);
        else
            continue;
        if (r < 0)
            return r;
        carried = true;
    }
}

static int merkle_finish_from(Merkle *merkle, size_t min_level, MerkleHash *ret) {
    int r = 0;

    if (merkle->leaf_len > 0 || merkle->leaves == 0)
        r = merkle_end_leaf(merkle);
    if (r >= 0)
        r = merkle_join_pending(merkle, min_level, ret);
    merkle->leaves = 0;
    if (merkle_begin_leaf(merkle) < 0)
        return -EIO;
    return r;
}

int merkle_finish(Merkle *merkle, MerkleHash *ret) {
    return merkle_finish_from(merkle, 0, ret);
}

uint64_t piece_bytes(uint64_t size) {
    uint64_t bytes = PIECE_BYTES_MIN;

    while (size / PIECES_MAX > bytes || (size / PIECES_MAX == bytes && size % PIECES_MAX > 0))
        bytes *= 2;
    return bytes;
}

uint64_t piece_count(uint64_t size) {
    uint64_t bytes = piece_bytes(size);

    return size == 0 ? 1 : size / bytes + (size % bytes > 0);
}

uint64_t piece_len(uint64_t size, uint64_t piece) {
    uint64_t bytes = piece_bytes(size);

    return MIN(bytes, size - piece * bytes);
}

// The tree level of the pieces of a file of `size` bytes. 0: there is only one piece.
static size_t merkle_piece_level(uint64_t size) {
    return piece_count(size) == 1 ? 0 : __builtin_ctzll(piece_bytes(size) / MERKLE_LEAF_BYTES);
}

int merkle_finish_piece(Merkle *merkle, uint64_t size, MerkleHash *ret) {
    return merkle_finish_from(merkle, merkle_piece_level(size), ret);
}

int merkle_root_of_pieces(Merkle *merkle, const MerkleHash pieces[], uint64_t size,
                          MerkleHash *ret) {
    uint64_t count = piece_count(size);
    size_t level = merkle_piece_level(size);
    int r = 0;

    if (count == 1) {
        *ret = pieces[0];
        return 0;
    }
    // Count as if the leaves below each piece had been added.
    merkle->leaves = 0;
    for (uint64_t i = 0; i < count && r >= 0; i++)
        r = merkle_join_subtree(merkle, pieces[i], level);
    if (r >= 0)
        r = merkle_join_pending(merkle, level, ret);
    merkle->leaves = 0;
    return r;
}
