// SPDX-License-Identifier: MIT

// Runs random histories of the tree against a sorted array.

#include "test.h"

#include "ft/posting-tree.h"

enum {
    KEYS = 400,
    RESTS = 300,
    ITEMS_MAX = 300000,
    STEPS = 400000,
};

typedef struct Model {
    PostingTree tree;
    unsigned counts[KEYS][RESTS];
    size_t n;
    unsigned seed;
} Model;

static unsigned pick(Model *m, unsigned n) {
    return rand_r(&m->seed) % n;
}

static Posting pick_posting(Model *m) {
    unsigned key = pick(m, 4) == 0 ? pick(m, 3) : pick(m, KEYS);

    return (Posting){key, pick(m, RESTS)};
}

static void compare_all(Model *m) {
    PostingCursor cursor = posting_tree_seek(&m->tree, (Posting){});
    const Posting *posting;

    for (size_t k = 0; k < KEYS; k++)
        for (size_t r = 0; r < RESTS; r++)
            for (unsigned i = 0; i < m->counts[k][r]; i++) {
                posting = posting_cursor_get(&cursor);
                assert_non_null(posting);
                assert_int_equal(posting->key, k);
                assert_int_equal(posting->rest, r);
                posting_cursor_next(&cursor);
            }
    assert_null(posting_cursor_get(&cursor));
    assert_int_equal(m->tree.count, m->n);
}

// Finds the first posting at or behind a place, from the beginning and from a place before it.
static void compare_seek(Model *m) {
    const Posting to = pick_posting(m);
    PostingCursor cursor = posting_tree_seek(&m->tree, to);
    PostingCursor other = posting_tree_seek(&m->tree, (Posting){to.key / 2, to.rest});
    const Posting *posting = posting_cursor_get(&cursor);
    size_t k = to.key, r = to.rest;

    while (k < KEYS && m->counts[k][r] == 0)
        if (++r == RESTS) {
            r = 0;
            k++;
        }
    assert_true(!posting == (k == KEYS));
    assert_true(!posting || (posting->key == k && posting->rest == r));
    (void)posting_cursor_skip(&other, to);
    assert_memory_equal(&other, &cursor, sizeof(cursor));
}

static void compare_count(Model *m) {
    const Posting from = pick_posting(m), to = {from.key + pick(m, 3), pick(m, RESTS)};
    size_t n = 0, max = pick(m, 2) ? ITEMS_MAX : pick(m, 300);

    for (size_t k = from.key; k <= to.key && k < KEYS; k++)
        for (size_t r = 0; r < RESTS; r++)
            if ((k > from.key || r >= from.rest) && (k < to.key || r <= to.rest))
                n += m->counts[k][r];
    assert_int_equal(posting_tree_count(&m->tree, from, to, max), MIN(n, max));
}

static void step(Model *m, bool grow) {
    const Posting posting = pick_posting(m);
    unsigned *count = &m->counts[posting.key][posting.rest];

    if (m->n < ITEMS_MAX && pick(m, 8) < (grow ? 7 : 1)) {
        assert_int_equal(posting_tree_add(&m->tree, posting), 0);
        (*count)++;
        m->n++;
        return;
    }
    assert_int_equal(posting_tree_remove(&m->tree, posting), *count > 0);
    if (*count > 0) {
        (*count)--;
        m->n--;
    }
}

static void test_random(void **state _unused_) {
    Model *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->seed = 1;
    for (size_t i = 0; i < STEPS; i++) {
        step(m, i / (STEPS / 4) % 2 == 0);
        if (i % 16 == 0) {
            compare_seek(m);
            compare_count(m);
        }
        if (i % (STEPS / 20) == 0)
            compare_all(m);
    }
    for (size_t k = 0; k < KEYS; k++)
        for (size_t r = 0; r < RESTS; r++)
            for (; m->counts[k][r] > 0; m->counts[k][r]--)
                assert_true(posting_tree_remove(&m->tree, (Posting){k, r}));
    assert_int_equal(m->tree.count, 0);
    assert_null(m->tree.tops);
    free(m);
}

// Several branches, which are too large to compare item by item.
static void test_many(void **state _unused_) {
    const uint64_t n = 200000, factor = 1000003;
    PostingTree tree = {};
    PostingCursor cursor;

    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(posting_tree_add(&tree, (Posting){i * factor % n, i}), 0);
    assert_true(tree.n > 2);
    cursor = posting_tree_seek(&tree, (Posting){});
    for (uint64_t i = 0; i < n; i++, posting_cursor_next(&cursor))
        assert_int_equal(posting_cursor_get(&cursor)->key, i);
    assert_int_equal(posting_tree_count(&tree, (Posting){10}, (Posting){n - 11, UINT64_MAX}, n),
                     n - 20);
    for (uint64_t i = 0; i < n; i += 1 + (i % 100 == 0))
        assert_true(posting_tree_remove(&tree, (Posting){i * factor % n, i}));
    posting_tree_clear(&tree);
    assert_null(tree.tops);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
