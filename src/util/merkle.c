// SPDX-License-Identifier: MIT

#include "util/merkle.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>

enum {
    // Leaves of a file of 2^63 bytes: 2^49.
    LEVELS = 64,
};

struct Merkle {
    EVP_MD *md;       // fetched once: looking it up costs more than hashing a node
    EVP_MD_CTX *leaf; // of the leaf that is being filled
    EVP_MD_CTX *node;
    size_t leaf_len;
    uint64_t leaves;            // complete ones
    MerkleHash pending[LEVELS]; // [i]: a subtree of 2^i leaves, if bit i of `leaves` is set
    MerkleHash zero[LEVELS];    // [i]: a subtree of 2^i zero hashes
};

static int hash_nodes(Merkle *merkle, const MerkleHash *left, const MerkleHash *right,
                      MerkleHash *ret) {
    if (!EVP_DigestInit_ex2(merkle->node, merkle->md, NULL) ||
        !EVP_DigestUpdate(merkle->node, left->bytes, sizeof(left->bytes)) ||
        !EVP_DigestUpdate(merkle->node, right->bytes, sizeof(right->bytes)) ||
        !EVP_DigestFinal_ex(merkle->node, ret->bytes, NULL))
        return -EIO;
    return 0;
}

static int begin_leaf(Merkle *merkle) {
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
        r = hash_nodes(merkle, &merkle->zero[i - 1], &merkle->zero[i - 1], &merkle->zero[i]);
        if (r < 0)
            return r;
    }
    r = begin_leaf(merkle);
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

// A complete leaf joins its neighbour, that pair the pair next to it, and so on: a binary counter.
static int end_leaf(Merkle *merkle) {
    MerkleHash hash;
    size_t level = 0;
    int r;

    if (!EVP_DigestFinal_ex(merkle->leaf, hash.bytes, NULL))
        return -EIO;
    for (; merkle->leaves & (UINT64_C(1) << level); level++) {
        r = hash_nodes(merkle, &merkle->pending[level], &hash, &hash);
        if (r < 0)
            return r;
    }
    merkle->pending[level] = hash;
    merkle->leaves++;
    return begin_leaf(merkle);
}

int merkle_update(Merkle *merkle, const void *data, size_t len) {
    const uint8_t *p = data;
    int r;

    while (len > 0) {
        size_t n = MIN(len, MERKLE_LEAF_BYTES - merkle->leaf_len);

        if (!EVP_DigestUpdate(merkle->leaf, p, n))
            return -EIO;
        merkle->leaf_len += n;
        p += n;
        len -= n;
        if (merkle->leaf_len == MERKLE_LEAF_BYTES) {
            r = end_leaf(merkle);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

// Joins the subtrees that wait for a neighbour, zeros where there is none, up to one tree.
static int join_pending(Merkle *merkle, MerkleHash *ret) {
    bool carried = false;
    MerkleHash hash;
    int r;

    for (size_t level = 0;; level++) {
        uint64_t above = merkle->leaves >> level;
        bool here = above & 1;

        if (above == (carried ? 0 : 1)) {
            *ret = carried ? hash : merkle->pending[level];
            return 0;
        }
        if (here && carried)
            r = hash_nodes(merkle, &merkle->pending[level], &hash, &hash);
        else if (here)
            r = hash_nodes(merkle, &merkle->pending[level], &merkle->zero[level], &hash);
        else if (carried)
            r = hash_nodes(merkle, &hash, &merkle->zero[level], &hash);
        else
            continue;
        if (r < 0)
            return r;
        carried = true;
    }
}

int merkle_finish(Merkle *merkle, MerkleHash *ret) {
    int r = 0;

    if (merkle->leaf_len > 0 || merkle->leaves == 0)
        r = end_leaf(merkle);
    if (r >= 0)
        r = join_pending(merkle, ret);
    merkle->leaves = 0;
    if (begin_leaf(merkle) < 0)
        return -EIO;
    return r;
}

void merkle_format(const MerkleHash *hash, char text[static MERKLE_TEXT_BYTES + 1]) {
    for (size_t i = 0; i < sizeof(hash->bytes); i++)
        snprintf(text + 2 * i, 3, "%02x", hash->bytes[i]);
}
