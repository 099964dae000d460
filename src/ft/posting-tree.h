// SPDX-License-Identifier: MIT
#pragma once

// An ordered set of postings, which may hold some several times: a B+ tree of three levels, 16 bytes a posting and few
// more. A change touches one leaf, at most 4 KiB, so that it never takes long.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ft/slab.h"

// Ordered by key, then by the rest.
typedef struct Posting {
    uint64_t key;
    uint64_t rest;
} Posting;

typedef struct PostingLeaf PostingLeaf;
typedef struct PostingBranch PostingBranch;

typedef struct PostingTop {
    Posting first; // nothing below is less, but below the first of all
    PostingBranch *branch;
} PostingTop;

typedef struct PostingTree { // zero: empty
    Slab slab;               // the leaves
    PostingTop *tops;
    size_t n, room;
    uint64_t count;
} PostingTree;

void posting_tree_clear(PostingTree *tree);
size_t posting_tree_bytes(const PostingTree *tree);           // of memory that it takes
int posting_tree_add(PostingTree *tree, Posting posting);     // 0 or -ENOMEM
bool posting_tree_remove(PostingTree *tree, Posting posting); // one of them; false: there is none

// A place in a tree; valid until it changes.
typedef struct PostingCursor {
    const PostingTree *tree;
    size_t top, ref, item;
} PostingCursor;

PostingCursor posting_tree_seek(const PostingTree *tree, Posting from); // the first at or behind it
const Posting *posting_cursor_get(const PostingCursor *cursor);         // NULL: the end
void posting_cursor_next(PostingCursor *cursor);
// On to the first at or behind `to`; true if it was near, and cheap.
bool posting_cursor_skip(PostingCursor *cursor, Posting to);

// How many there are from `from` to `to`, both included, counted until `max`.
size_t posting_tree_count(const PostingTree *tree, Posting from, Posting to, size_t max);
