// SPDX-License-Identifier: MIT

#include "ft/posting-tree.h"

#include <string.h>

#include "util/array.h"
#include "util/macro.h"

enum {
    LEAF_MAX = 256, // 4 KiB
    // Leaves grow in small steps, as they take most of the memory.
    LEAF_STEP = 16,
    BRANCH_MAX = 256,
    // Two neighbours that together have at most this many become one.
    LEAF_MERGED_MAX = LEAF_MAX / 2,
};

struct PostingLeaf {
    uint16_t n, room;
    Posting items[];
};

typedef struct LeafRef {
    // No posting in the leaf is less, except in the first leaf of a branch.
    Posting first;
    PostingLeaf *leaf;
} LeafRef;

struct PostingBranch {
    size_t n;
    LeafRef refs[BRANCH_MAX];
};

static bool posting_less(Posting a, Posting b) {
    return a.key < b.key || (a.key == b.key && a.rest < b.rest);
}

// Counts the things whose posting is less than `than`. The `n` things are sorted and `stride` bytes
// apart.
static size_t posting_count_less(const void *things, size_t n, size_t stride, Posting than) {
    size_t low = 0;

    while (low < n) {
        size_t middle = (low + n) / 2;

        if (posting_less(*(const Posting *)(const void *)((const char *)things + middle * stride),
                         than))
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

void posting_tree_clear(PostingTree *tree) {
    for (size_t t = 0; t < tree->n; t++)
        free(tree->tops[t].branch);
    free(tree->tops);
    slab_clear(&tree->slab);
    *tree = (PostingTree){};
}

size_t posting_tree_bytes(const PostingTree *tree) {
    return tree->slab.bytes + tree->n * sizeof(PostingBranch) + tree->room * sizeof(PostingTop);
}

// Finds the leaf that has the posting, or the leaf before it, as equal postings may begin there.
static void posting_tree_find_leaf(const PostingTree *tree, Posting posting, PostingCursor *ret) {
    size_t top = posting_count_less(tree->tops, tree->n, sizeof(*tree->tops), posting), ref;
    const PostingBranch *branch;

    top -= top > 0;
    branch = tree->tops[top].branch;
    ref = posting_count_less(branch->refs, branch->n, sizeof(*branch->refs), posting);
    ref -= ref > 0;
    *ret = (PostingCursor){.tree = tree, .top = top, .ref = ref};
    ret->item = posting_count_less(branch->refs[ref].leaf->items, branch->refs[ref].leaf->n,
                                   sizeof(Posting), posting);
}

static LeafRef *posting_tree_ref_at(const PostingCursor *cursor) {
    return &cursor->tree->tops[cursor->top].branch->refs[cursor->ref];
}

static int posting_tree_insert_top(PostingTree *tree, size_t at, PostingTop top) {
    int r = ARRAY_RESERVE(tree->tops, tree->room, tree->n + 1, 16);

    if (r < 0)
        return r;
    memmove(&tree->tops[at + 1], &tree->tops[at], (tree->n - at) * sizeof(top));
    tree->tops[at] = top;
    tree->n++;
    return 0;
}

// Allocates a leaf if `leaf` is NULL.
static PostingLeaf *posting_tree_leaf_resize(PostingTree *tree, PostingLeaf *leaf, size_t room) {
    const size_t size = sizeof(*leaf) + room * sizeof(Posting);
    PostingLeaf *resized =
        leaf ? slab_resize(&tree->slab, leaf, size) : slab_alloc(&tree->slab, size);

    if (resized)
        resized->room = (uint16_t)room;
    return resized;
}

static size_t posting_tree_rounded(size_t n) {
    return (n + LEAF_STEP - 1) / LEAF_STEP * LEAF_STEP;
}

static int posting_tree_begin(PostingTree *tree) {
    _cleanup_free_ PostingBranch *branch = calloc(1, sizeof(*branch));
    PostingLeaf *leaf = posting_tree_leaf_resize(tree, NULL, LEAF_STEP);

    if (!branch || !leaf || posting_tree_insert_top(tree, 0, (PostingTop){.branch = branch}) < 0) {
        slab_clear(&tree->slab); // the slab holds nothing else
        return -ENOMEM;
    }
    leaf->n = 0;
    branch->n = 1;
    branch->refs[0].leaf = leaf;
    TAKE_PTR(branch);
    return 0;
}

static int posting_tree_split_branch(PostingTree *tree, size_t top) {
    PostingBranch *branch = tree->tops[top].branch, *right = malloc(sizeof(*right));
    const size_t n = branch->n / 2;

    if (!right ||
        posting_tree_insert_top(tree, top + 1, (PostingTop){branch->refs[n].first, right}) < 0) {
        free(right);
        return -ENOMEM;
    }
    right->n = branch->n - n;
    memcpy(right->refs, branch->refs + n, right->n * sizeof(*right->refs));
    branch->n = n;
    return 0;
}

// The branch must have room for one more.
static int posting_tree_split_leaf(PostingTree *tree, size_t top, size_t ref) {
    PostingBranch *branch = tree->tops[top].branch;
    PostingLeaf *leaf = branch->refs[ref].leaf, *shrunk, *right;
    const size_t n = leaf->n / 2;

    right = posting_tree_leaf_resize(tree, NULL, posting_tree_rounded(leaf->n - n));
    if (!right)
        return -ENOMEM;
    right->n = leaf->n - n;
    memcpy(right->items, leaf->items + n, right->n * sizeof(Posting));
    leaf->n = n;
    memmove(&branch->refs[ref + 2], &branch->refs[ref + 1],
            (branch->n - ref - 1) * sizeof(*branch->refs));
    branch->refs[ref + 1] = (LeafRef){right->items[0], right};
    branch->n++;
    shrunk = posting_tree_leaf_resize(tree, leaf, posting_tree_rounded(n));
    if (shrunk)
        branch->refs[ref].leaf = shrunk;
    return 0;
}

int posting_tree_add(PostingTree *tree, Posting posting) {
    PostingCursor at;
    PostingLeaf *leaf;
    LeafRef *ref;

    if (tree->n == 0 && posting_tree_begin(tree) < 0)
        return -ENOMEM;
    posting_tree_find_leaf(tree, posting, &at);
    if (posting_tree_ref_at(&at)->leaf->n == LEAF_MAX) {
        if (tree->tops[at.top].branch->n == BRANCH_MAX) {
            if (posting_tree_split_branch(tree, at.top) < 0)
                return -ENOMEM;
            posting_tree_find_leaf(tree, posting, &at);
        }
        if (posting_tree_split_leaf(tree, at.top, at.ref) < 0)
            return -ENOMEM;
        posting_tree_find_leaf(tree, posting, &at);
    }
    ref = posting_tree_ref_at(&at);
    leaf = ref->leaf;
    if (leaf->n == leaf->room) {
        leaf = posting_tree_leaf_resize(tree, leaf, leaf->room + LEAF_STEP);
        if (!leaf)
            return -ENOMEM;
        ref->leaf = leaf;
    }
    memmove(&leaf->items[at.item + 1], &leaf->items[at.item],
            (leaf->n - at.item) * sizeof(Posting));
    leaf->items[at.item] = posting;
    leaf->n++;
    tree->count++;
    return 0;
}

static void posting_tree_remove_leaf(PostingTree *tree, size_t top, size_t ref) {
    PostingBranch *branch = tree->tops[top].branch;

    slab_free(&tree->slab, branch->refs[ref].leaf);
    branch->n--;
    memmove(&branch->refs[ref], &branch->refs[ref + 1], (branch->n - ref) * sizeof(*branch->refs));
    if (branch->n > 0)
        return;
    free(branch);
    tree->n--;
    memmove(&tree->tops[top], &tree->tops[top + 1], (tree->n - top) * sizeof(*tree->tops));
    if (tree->n == 0)
        posting_tree_clear(tree);
}

// Merges the leaf behind this one into it, if both are small.
static void posting_tree_merge_leaves(PostingTree *tree, size_t top, size_t ref) {
    PostingBranch *branch = tree->tops[top].branch;
    PostingLeaf *leaf, *right;

    if (ref + 1 >= branch->n)
        return;
    leaf = branch->refs[ref].leaf;
    right = branch->refs[ref + 1].leaf;
    if (leaf->n + right->n > LEAF_MERGED_MAX)
        return;
    if (leaf->n + right->n > leaf->room) {
        leaf = posting_tree_leaf_resize(tree, leaf, posting_tree_rounded(leaf->n + right->n));
        if (!leaf)
            return; // they stay two leaves
        branch->refs[ref].leaf = leaf;
    }
    memcpy(leaf->items + leaf->n, right->items, right->n * sizeof(Posting));
    leaf->n += right->n;
    posting_tree_remove_leaf(tree, top, ref + 1);
}

// Merges the branch behind this one into it, if both are small.
static void posting_tree_merge_branches(PostingTree *tree, size_t top) {
    PostingBranch *branch, *right;

    if (top + 1 >= tree->n)
        return;
    branch = tree->tops[top].branch;
    right = tree->tops[top + 1].branch;
    if (branch->n + right->n > BRANCH_MAX / 2)
        return;
    memcpy(branch->refs + branch->n, right->refs, right->n * sizeof(*right->refs));
    branch->refs[branch->n].first = tree->tops[top + 1].first;
    branch->n += right->n;
    free(right);
    tree->n--;
    memmove(&tree->tops[top + 1], &tree->tops[top + 2], (tree->n - top - 1) * sizeof(*tree->tops));
}

bool posting_tree_remove(PostingTree *tree, Posting posting) {
    PostingCursor at = posting_tree_seek(tree, posting);
    const Posting *found = posting_cursor_get(&at);
    PostingLeaf *leaf, *shrunk;

    if (!found || found->key != posting.key || found->rest != posting.rest)
        return false;
    leaf = posting_tree_ref_at(&at)->leaf;
    leaf->n--;
    tree->count--;
    memmove(&leaf->items[at.item], &leaf->items[at.item + 1],
            (leaf->n - at.item) * sizeof(Posting));
    if (leaf->n == 0) {
        posting_tree_remove_leaf(tree, at.top, at.ref);
        return true;
    }
    if (leaf->room - leaf->n >= 2 * LEAF_STEP) {
        shrunk = posting_tree_leaf_resize(tree, leaf, posting_tree_rounded(leaf->n));
        if (shrunk)
            posting_tree_ref_at(&at)->leaf = shrunk;
    }
    posting_tree_merge_leaves(tree, at.top, at.ref);
    if (at.ref > 0)
        posting_tree_merge_leaves(tree, at.top, at.ref - 1);
    posting_tree_merge_branches(tree, at.top);
    if (at.top > 0)
        posting_tree_merge_branches(tree, at.top - 1);
    return true;
}

// Moves from the end of a leaf to the next leaf.
static void posting_tree_settle(PostingCursor *cursor) {
    const PostingTree *tree = cursor->tree;

    if (cursor->top >= tree->n || cursor->item < posting_tree_ref_at(cursor)->leaf->n)
        return;
    cursor->item = 0;
    if (++cursor->ref == tree->tops[cursor->top].branch->n) {
        cursor->ref = 0;
        cursor->top++;
    }
}

PostingCursor posting_tree_seek(const PostingTree *tree, Posting from) {
    PostingCursor cursor = {.tree = tree};

    if (tree->n == 0)
        return cursor;
    posting_tree_find_leaf(tree, from, &cursor);
    posting_tree_settle(&cursor);
    return cursor;
}

const Posting *posting_cursor_get(const PostingCursor *cursor) {
    return cursor->top < cursor->tree->n ? &posting_tree_ref_at(cursor)->leaf->items[cursor->item]
                                         : NULL;
}

void posting_cursor_next(PostingCursor *cursor) {
    cursor->item++;
    posting_tree_settle(cursor);
}

bool posting_cursor_skip(PostingCursor *cursor, Posting to) {
    const PostingLeaf *leaf;

    if (cursor->top >= cursor->tree->n)
        return true;
    leaf = posting_tree_ref_at(cursor)->leaf;
    if (!posting_less(leaf->items[leaf->n - 1], to)) {
        cursor->item += posting_count_less(leaf->items + cursor->item, leaf->n - cursor->item,
                                           sizeof(Posting), to);
        return true;
    }
    *cursor = posting_tree_seek(cursor->tree, to);
    return false;
}

size_t posting_tree_count(const PostingTree *tree, Posting from, Posting to, size_t max) {
    PostingCursor cursor = posting_tree_seek(tree, from);
    size_t n = 0;

    while (n < max && cursor.top < tree->n) {
        const PostingLeaf *leaf = posting_tree_ref_at(&cursor)->leaf;
        size_t end;

        if (!posting_less(to, leaf->items[leaf->n - 1])) {
            n += leaf->n - cursor.item;
            cursor.item = leaf->n;
            posting_tree_settle(&cursor);
            continue;
        }
        end = posting_count_less(leaf->items, leaf->n, sizeof(Posting),
                                 (Posting){to.key + (to.rest == UINT64_MAX), to.rest + 1});
        n += end > cursor.item ? end - cursor.item : 0;
        break;
    }
    return MIN(n, max);
}
