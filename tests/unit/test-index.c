// SPDX-License-Identifier: MIT

// The index of FT, and a random history of it against a model that is too simple to be wrong.

#include "test.h"

#include <stdio.h>
#include <strings.h>

#include "ft/index.h"
#include "proto/name.h"

static Record file(const char *name, const char *type, uint64_t size) {
    return (Record){
        .name = name,
        .type = type,
        .size = size,
        .modified = {2026, 11, 23},
        .endpoint = {.address.family = AF_INET, .port = 5556},
    };
}

static void add(Index *index, IndexOwner *owner, const char *name, const char *type,
                uint64_t size) {
    const Record record = file(name, type, size);

    assert_int_equal(index_add(index, owner, &record), 0);
}

static size_t found(const Index *index, const char *file_name) {
    Record results[RESULTS_MAX];

    return index_lookup(index, file_name, results, RESULTS_MAX);
}

static Index *new_index(void) {
    Index *index;

    assert_int_equal(index_new(&index), 0);
    return index;
}

static void test_found_with_and_without_extension(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner owner = {};

    add(index, &owner, "report", "txt", 11);
    add(index, &owner, "report", "pdf", 12);
    add(index, &owner, "README", TYPE_NONE, 13);
    assert_int_equal(found(index, "report"), 2);
    assert_int_equal(found(index, "report.txt"), 1);
    assert_int_equal(found(index, "report.TXT"), 1);
    assert_int_equal(found(index, "report.iso"), 0);
    assert_int_equal(found(index, "Report"), 0);
    assert_int_equal(found(index, "README"), 1);
    assert_int_equal(found(index, "repor"), 0);
    index_remove_all(index, &owner);
}

// "a.b" may be the name a of type b, and the name a.b of some type: both are found, the first first.
static void test_name_with_extension_comes_first(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[RESULTS_MAX];
    IndexOwner owner = {};

    add(index, &owner, "a.b", "gz", 1);
    add(index, &owner, "a", "b", 2);
    assert_int_equal(index_lookup(index, "a.b", results, RESULTS_MAX), 2);
    assert_string_equal(results[0].name, "a");
    assert_string_equal(results[1].name, "a.b");
    index_remove_all(index, &owner);
}

static void test_same_file_is_refreshed(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[RESULTS_MAX], record = file("a", "txt", 1);
    IndexOwner owner = {}, other = {};

    add(index, &owner, "a", "txt", 1);
    record.endpoint.port = 7000;
    record.type = "TXT";
    assert_int_equal(index_add(index, &owner, &record), 0);
    assert_int_equal(owner.count, 1);
    assert_int_equal(index_lookup(index, "a", results, RESULTS_MAX), 1);
    assert_int_equal(results[0].endpoint.port, 7000);

    add(index, &other, "a", "txt", 1);
    assert_int_equal(found(index, "a"), 2);
    assert_int_equal(index_names(index), 1);
    assert_int_equal(index_records(index), 2);
    index_remove_all(index, &owner);
    assert_int_equal(found(index, "a"), 1);
    index_remove_all(index, &other);
    assert_int_equal(found(index, "a"), 0);
    assert_int_equal(index_names(index), 0);
}

static void test_remove_takes_that_file_only(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    const Record other_size = file("a", "txt", 2), same = file("a", "TXT", 1);
    IndexOwner owner = {}, other = {};

    add(index, &owner, "a", "txt", 1);
    assert_int_equal(index_remove(index, &owner, &other_size), -ENOENT);
    assert_int_equal(index_remove(index, &other, &same), -ENOENT);
    assert_true(index_has(index, &owner, &same));
    assert_int_equal(index_remove(index, &owner, &same), 0);
    assert_false(index_has(index, &owner, &same));
    assert_int_equal(index_records(index), 0);
}

static Record rooted(Record record, uint8_t byte) {
    record.has_root = true;
    memset(&record.root, byte, sizeof(record.root));
    return record;
}

// The root is a part of the record: whoever registers a file anew says what it is now.
static void test_root_is_refreshed(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    const Record plain = file("a", "txt", 1), one = rooted(plain, 1), two = rooted(plain, 2);
    const Record *const history[] = {&plain, &one, &two, &plain, &two, &one, &one};
    IndexOwner owner = {}, other = {};
    Record results[RESULTS_MAX];

    assert_int_equal(index_add(index, &other, &two), 0);
    for (size_t i = 0; i < ELEMENTSOF(history); i++) {
        size_t own = 0;

        assert_int_equal(index_add(index, &owner, history[i]), 0);
        assert_int_equal(owner.count, 1);
        assert_int_equal(index_records(index), 2);
        assert_int_equal(index_lookup(index, "a.txt", results, RESULTS_MAX), 2);
        // The other one has root two, always.
        if (results[0].has_root && results[0].root.bytes[31] == 2)
            own = 1;
        assert_int_equal(results[own].has_root, history[i]->has_root);
        assert_memory_equal(&results[own].root, &history[i]->root, sizeof(MerkleHash));
        assert_int_equal(results[1 - own].root.bytes[0], 2);
        assert_string_equal(results[own].type, "txt");
    }
    assert_int_equal(index_remove(index, &owner, &plain), 0); // whatever its root
    index_remove_all(index, &other);
    assert_int_equal(index_names(index), 0);
}

// The same file of many peers, and many files of one: each finds its own.
static void test_own_record_among_many(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner owners[50] = {};

    for (size_t i = 0; i < ELEMENTSOF(owners); i++)
        add(index, &owners[i], "common", "txt", 1);
    for (uint64_t size = 0; size < 100; size++)
        add(index, &owners[7], "common", "txt", size);
    add(index, &owners[7], "common.txt", "c", 1); // has the full name of no other
    add(index, &owners[7], "common", "txt.c", 1); // but of this one
    assert_int_equal(owners[7].count, 102);
    for (size_t i = 0; i < ELEMENTSOF(owners); i++) {
        const Record record = file("common", "TXT", 1);

        assert_true(index_has(index, &owners[i], &record));
        assert_int_equal(index_remove(index, &owners[i], &record), 0);
        assert_false(index_has(index, &owners[i], &record));
    }
    assert_int_equal(index_records(index), 101);
    index_remove_all(index, &owners[7]);
}

static void test_no_more_results_than_asked_for(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[3];
    IndexOwner owner = {};

    for (uint64_t size = 0; size < 10; size++)
        add(index, &owner, "a", "txt", size);
    assert_int_equal(index_lookup(index, "a", results, 3), 3);
    assert_int_equal(index_lookup(index, "a.txt", results, 3), 3);
    assert_int_equal(index_lookup(index, "a", results, 0), 0);
    index_remove_all(index, &owner);
}

enum {
    MODEL_OWNERS = 8,
    MODEL_NAMES = 12,
    MODEL_TYPES = 3,
    MODEL_SIZES = 2,
    MODEL_STEPS = 20000,
};

// What each owner has: one bit per file that can exist.
static bool model[MODEL_OWNERS][MODEL_NAMES][MODEL_TYPES][MODEL_SIZES];
static const char *const model_types[MODEL_TYPES] = {"txt", "iso", TYPE_NONE};

static size_t model_found(int name, int type) {
    size_t n = 0;

    for (int o = 0; o < MODEL_OWNERS; o++)
        for (int t = 0; t < MODEL_TYPES; t++)
            for (int s = 0; s < MODEL_SIZES; s++)
                n += model[o][name][t][s] && (type < 0 || t == type);
    return n;
}

static void compare_with_model(const Index *index, int name) {
    char text[64];

    snprintf(text, sizeof(text), "name-%d", name);
    assert_int_equal(found(index, text), model_found(name, -1));
    for (int type = 0; type < MODEL_TYPES; type++) {
        snprintf(text, sizeof(text), "name-%d.%s", name, model_types[type]);
        assert_int_equal(found(index, text), model_found(name, type));
    }
}

static void test_random_history(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner owners[MODEL_OWNERS] = {};
    unsigned seed = 4711;

    for (int step = 0; step < MODEL_STEPS; step++) {
        int o = rand_r(&seed) % MODEL_OWNERS, n = rand_r(&seed) % MODEL_NAMES;
        int t = rand_r(&seed) % MODEL_TYPES, s = rand_r(&seed) % MODEL_SIZES;
        char name[64];
        Record record;

        snprintf(name, sizeof(name), "name-%d", n);
        record = file(name, model_types[t], s);
        switch (rand_r(&seed) % 16) {
        case 0:
            index_remove_all(index, &owners[o]);
            memset(model[o], 0, sizeof(model[o]));
            break;
        case 1 ... 6:
            assert_int_equal(index_remove(index, &owners[o], &record),
                             model[o][n][t][s] ? 0 : -ENOENT);
            model[o][n][t][s] = false;
            break;
        default:
            assert_int_equal(index_add(index, &owners[o], &record), 0);
            model[o][n][t][s] = true;
        }
        compare_with_model(index, n);
    }
    for (int o = 0; o < MODEL_OWNERS; o++)
        index_remove_all(index, &owners[o]);
    assert_int_equal(index_records(index), 0);
    assert_int_equal(index_names(index), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_with_and_without_extension),
        cmocka_unit_test(test_name_with_extension_comes_first),
        cmocka_unit_test(test_same_file_is_refreshed),
        cmocka_unit_test(test_remove_takes_that_file_only),
        cmocka_unit_test(test_root_is_refreshed),
        cmocka_unit_test(test_own_record_among_many),
        cmocka_unit_test(test_no_more_results_than_asked_for),
        cmocka_unit_test(test_random_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
