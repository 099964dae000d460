// SPDX-License-Identifier: MIT
#pragma once

// An ordered multiset of postings: a B+ tree of three levels that takes little more than 16 bytes a
// posting. A change touches one leaf of at most 4 KiB, so it is always short.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ft/slab.h"

// Ordered by key, then by rest.
typedef struct Posting {
    uint64_t key;
    uint64_t rest;
} Posting;

typedef struct PostingLeaf PostingLeaf;
typedef struct PostingBranch PostingBranch;

typedef struct PostingTop {
    Posting first; // nothing below is less, except below the first of all
    PostingBranch *branch;
} PostingTop;

typedef struct PostingTree { // zeroed: empty
    Slab slab;               // holds the leaves
    PostingTop *tops;
    size_t n, room;
    uint64_t count;
} PostingTree;

void posting_tree_clear(PostingTree *tree);
size_t posting_tree_bytes(const PostingTree *tree);           // bytes of memory in use
int posting_tree_add(PostingTree *tree, Posting posting);     // 0 or -ENOMEM
bool posting_tree_remove(PostingTree *tree, Posting posting); // removes one; false: not found

// A place in a tree. Valid until the tree changes.
typedef struct PostingCursor {
    const PostingTree *tree;
    size_t top, ref, item;
} PostingCursor;

// The place of the first posting that is not less than `from`.
PostingCursor posting_tree_seek(const PostingTree *tree, Posting from);
const Posting *posting_cursor_get(const PostingCursor *cursor); // NULL: the end
void posting_cursor_next(PostingCursor *cursor);
// Moves on to the first posting that is not less than `to`. True if it was near, which is cheap.
bool posting_cursor_skip(PostingCursor *cursor, Posting to);

// Counts the postings from `from` to `to`, both included. Stops at `max`.
size_t posting_tree_count(const PostingTree *tree, Posting from, Posting to, size_t max);
