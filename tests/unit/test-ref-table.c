// SPDX-License-Identifier: MIT

// The hash table below the index, with the worst possible hashes.

#include "test.h"

#include "ft/ref-table.h"

enum {
    REFS = 600,
    STEPS = 60000,
};

// Entry n has hashes[n].
static uint64_t hashes[REFS + 1];

static uint64_t hash_of(const void *userdata _unused_, uint32_t ref) {
    return hashes[ref];
}

static bool is_ref(const void *key, uint32_t ref) {
    return *(const uint32_t *)key == ref;
}

static uint32_t find(const RefTable *table, uint32_t ref) {
    return ref_table_find(table, hashes[ref], is_ref, &ref);
}

static void assert_holds(const RefTable *table, const bool held[]) {
    size_t count = 0;

    for (uint32_t ref = 1; ref <= REFS; ref++) {
        assert_int_equal(find(table, ref), held[ref] ? ref : 0);
        count += held[ref];
    }
    assert_int_equal(table->count, count);
}

static void run_history(unsigned seed) {
    bool held[REFS + 1] = {};
    RefTable table;

    ref_table_init(&table, hash_of, NULL);
    assert_holds(&table, held);
    for (int step = 0; step < STEPS; step++) {
        uint32_t ref = 1 + rand_r(&seed) % REFS;
        bool grow = step / (STEPS / 10) % 2 == 0;

        if (held[ref] && (!grow || rand_r(&seed) % 4 == 0)) {
            ref_table_remove(&table, hashes[ref], ref);
            held[ref] = false;
        } else if (!held[ref] && (grow || rand_r(&seed) % 4 == 0)) {
            assert_int_equal(ref_table_reserve(&table, 1), 0);
            ref_table_add(&table, hashes[ref], ref);
            held[ref] = true;
        }
        if (step % 16 == 0)
            assert_holds(&table, held);
    }
    ref_table_clear(&table);
}

static void test_random_hashes(void **state _unused_) {
    unsigned seed = 7;

    for (size_t i = 1; i <= REFS; i++)
        hashes[i] = (uint64_t)rand_r(&seed) << 32 | rand_r(&seed);
    run_history(1);
}

// Half of the hashes are equal, the rest are few: long runs of entries in no order.
static void test_equal_hashes(void **state _unused_) {
    for (size_t i = 1; i <= REFS; i++)
        hashes[i] = i % 2 ? 5 : i % 64;
    run_history(2);
}

// At any size, the entries belong into the last slots, so their runs continue at the first slot.
static void test_runs_across_the_end(void **state _unused_) {
    for (size_t i = 1; i <= REFS; i++)
        hashes[i] = UINT64_MAX - i % 8;
    run_history(3);
}

static void test_replace(void **state _unused_) {
    RefTable table;

    for (size_t i = 1; i <= REFS; i++)
        hashes[i] = 1;
    ref_table_init(&table, hash_of, NULL);
    assert_false(ref_table_replace(&table, 1, 1, 2));
    assert_int_equal(ref_table_reserve(&table, 1), 0);
    ref_table_add(&table, 1, 1);
    assert_true(ref_table_replace(&table, 1, 1, 2));
    assert_int_equal(find(&table, 1), 0);
    assert_int_equal(find(&table, 2), 2);
    assert_int_equal(ref_table_guess(&table, 1), 2);
    assert_int_equal(ref_table_guess(&table, 2), 0);
    assert_int_equal(table.count, 1);
    ref_table_clear(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_hashes),
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_runs_across_the_end),
        cmocka_unit_test(test_replace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
