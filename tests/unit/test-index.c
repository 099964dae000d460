// SPDX-License-Identifier: MIT

// FT's index. test-index-model.c runs random histories of it.

#include "test.h"

#include <stdio.h>

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

static IndexOwner *new_owner(Index *index) {
    IndexOwner *owner = index_owner_new(index);

    assert_non_null(owner);
    return owner;
}

static Index *new_index(void) {
    Index *index;

    assert_int_equal(index_new(&index), 0);
    return index;
}

static void test_found_with_and_without_extension(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *owner = new_owner(index);

    add(index, owner, "report", "txt", 11);
    add(index, owner, "report", "pdf", 12);
    add(index, owner, "README", TYPE_NONE, 13);
    assert_int_equal(found(index, "report"), 2);
    assert_int_equal(found(index, "report.txt"), 1);
    assert_int_equal(found(index, "report.TXT"), 1);
    assert_int_equal(found(index, "report.iso"), 0);
    assert_int_equal(found(index, "Report"), 0);
    assert_int_equal(found(index, "README"), 1);
    assert_int_equal(found(index, "repor"), 0);
    index_owner_leave(index, owner);
}

// "a.b" may be the name a with the type b, or the name a.b of any type. Both are found, in this
// order.
static void test_name_with_extension_comes_first(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[RESULTS_MAX];
    IndexOwner *owner = new_owner(index);

    add(index, owner, "a.b", "gz", 1);
    add(index, owner, "a", "b", 2);
    assert_int_equal(index_lookup(index, "a.b", results, RESULTS_MAX), 2);
    assert_string_equal(results[0].name, "a");
    assert_string_equal(results[1].name, "a.b");
    index_owner_leave(index, owner);
}

static void test_same_file_is_refreshed(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[RESULTS_MAX], record = file("a", "txt", 1);
    IndexOwner *owner = new_owner(index), *other = new_owner(index);

    add(index, owner, "a", "txt", 1);
    record.endpoint.port = 7000;
    record.type = "TXT";
    assert_int_equal(index_add(index, owner, &record), 0);
    assert_int_equal(index_owner_count(owner), 1);
    assert_int_equal(index_lookup(index, "a", results, RESULTS_MAX), 1);
    assert_int_equal(results[0].endpoint.port, 7000);

    add(index, other, "a", "txt", 1);
    assert_int_equal(found(index, "a"), 2);
    assert_int_equal(index_names(index), 1);
    assert_int_equal(index_records(index), 2);
    index_owner_leave(index, owner);
    assert_int_equal(found(index, "a"), 1);
    index_owner_leave(index, other);
    assert_int_equal(found(index, "a"), 0);
    assert_int_equal(index_names(index), 0);
}

static void test_remove_takes_that_file_only(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    const Record other_size = file("a", "txt", 2), same = file("a", "TXT", 1);
    IndexOwner *owner = new_owner(index), *other = new_owner(index);

    add(index, owner, "a", "txt", 1);
    assert_int_equal(index_remove(index, owner, &other_size), -ENOENT);
    assert_int_equal(index_remove(index, other, &same), -ENOENT);
    assert_true(index_has(index, owner, &same));
    assert_int_equal(index_remove(index, owner, &same), 0);
    assert_false(index_has(index, owner, &same));
    assert_int_equal(index_records(index), 0);
    index_owner_leave(index, owner);
    index_owner_leave(index, other);
}

static Record rooted(Record record, uint8_t byte) {
    record.has_root = true;
    memset(&record.root, byte, sizeof(record.root));
    return record;
}

// The root is part of the record, so registering a file again replaces it.
static void test_root_is_refreshed(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    const Record plain = file("a", "txt", 1), one = rooted(plain, 1), two = rooted(plain, 2);
    const Record *const history[] = {&plain, &one, &two, &plain, &two, &one, &one};
    IndexOwner *owner = new_owner(index), *other = new_owner(index);
    Record results[RESULTS_MAX];

    assert_int_equal(index_add(index, other, &two), 0);
    for (size_t i = 0; i < ELEMENTSOF(history); i++) {
        size_t own = 0;

        assert_int_equal(index_add(index, owner, history[i]), 0);
        assert_int_equal(index_owner_count(owner), 1);
        assert_int_equal(index_records(index), 2);
        assert_int_equal(index_lookup(index, "a.txt", results, RESULTS_MAX), 2);
        // The other peer's record always has root two.
        if (results[0].has_root && results[0].root.bytes[31] == 2)
            own = 1;
        assert_int_equal(results[own].has_root, history[i]->has_root);
        assert_memory_equal(&results[own].root, &history[i]->root, sizeof(MerkleHash));
        assert_int_equal(results[1 - own].root.bytes[0], 2);
        assert_string_equal(results[own].type, "txt");
    }
    assert_int_equal(index_remove(index, owner, &plain), 0); // whatever its root
    index_owner_leave(index, owner);
    index_owner_leave(index, other);
    assert_int_equal(index_names(index), 0);
}

// Many peers have the same file, and one peer has many files. Each finds its own.
static void test_own_record_among_many(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *owners[50];

    for (size_t i = 0; i < ELEMENTSOF(owners); i++) {
        owners[i] = new_owner(index);
        add(index, owners[i], "common", "txt", 1);
    }
    for (uint64_t size = 0; size < 100; size++)
        add(index, owners[7], "common", "txt", size);
    add(index, owners[7], "common.txt", "c", 1); // other records do not have this full name
    add(index, owners[7], "common", "txt.c", 1); // but this one does
    assert_int_equal(index_owner_count(owners[7]), 102);
    for (size_t i = 0; i < ELEMENTSOF(owners); i++) {
        const Record record = file("common", "TXT", 1);

        assert_true(index_has(index, owners[i], &record));
        assert_int_equal(index_remove(index, owners[i], &record), 0);
        assert_false(index_has(index, owners[i], &record));
    }
    assert_int_equal(index_records(index), 101);
    for (size_t i = 0; i < ELEMENTSOF(owners); i++)
        index_owner_leave(index, owners[i]);
}

static void test_no_more_results_than_asked_for(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[3];
    IndexOwner *owner = new_owner(index);

    for (uint64_t size = 0; size < 10; size++)
        add(index, owner, "a", "txt", size);
    assert_int_equal(index_lookup(index, "a", results, 3), 3);
    assert_int_equal(index_lookup(index, "a.txt", results, 3), 3);
    assert_int_equal(index_lookup(index, "a", results, 0), 0);
    index_owner_leave(index, owner);
}

static void test_last_owners_come_last(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *first = new_owner(index), *second = new_owner(index);
    Record results[4];

    add(index, first, "a", "txt", 1);
    add(index, first, "a.txt", "gz", 2);
    add(index, second, "a", "txt", 3);
    index_owner_set_last(first, true);
    assert_int_equal(index_lookup(index, "a.txt", results, 4), 3);
    assert_int_equal(results[0].size, 3);
    assert_int_equal(results[1].size, 1);
    assert_int_equal(results[2].size, 2);
    assert_int_equal(index_lookup(index, "a.txt", results, 1), 1);
    assert_int_equal(results[0].size, 3);
    index_owner_set_last(first, false);
    assert_int_equal(index_lookup(index, "a", results, 4), 2);
    assert_int_equal(results[0].size, 1);
    index_owner_leave(index, first);
    index_owner_leave(index, second);
}

// However many records come last, a lookup takes no longer.
static void test_a_name_full_of_those_that_come_last(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *many = new_owner(index), *one = new_owner(index);
    Record results[4];

    for (uint64_t size = 0; size < 900; size++)
        add(index, many, "a", "txt", size);
    add(index, one, "a", "txt", 7);
    index_owner_set_last(many, true);
    assert_int_equal(index_lookup(index, "a", results, 1), 1);
    assert_int_equal(results[0].size, 7);
    assert_int_equal(index_owner_endpoint(one)->port, 5556);
    for (uint64_t size = 900; size < 3000; size++)
        add(index, many, "a", "txt", size);
    assert_int_equal(index_lookup(index, "a", results, 4), 4);
    assert_int_equal(results[0].size, 7);
    index_owner_leave(index, many);
    index_owner_leave(index, one);
}

// A type may contain dots. A lookup tries all ways to split the name, the longest name first.
static void test_type_with_dots(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    Record results[RESULTS_MAX];
    IndexOwner *owner = new_owner(index);

    add(index, owner, "a", "tar.gz", 1);
    add(index, owner, "a.tar", "gz", 2);
    add(index, owner, "a.tar.gz", TYPE_NONE, 3);
    assert_int_equal(index_lookup(index, "a.tar.gz", results, RESULTS_MAX), 3);
    assert_int_equal(results[0].size, 2);
    assert_int_equal(results[1].size, 1);
    assert_int_equal(results[2].size, 3);
    assert_int_equal(found(index, "a.TAR.gz"), 1);
    assert_int_equal(found(index, ".tar.gz"), 0);
    assert_int_equal(found(index, "a."), 0);
    index_owner_leave(index, owner);
}

// However many records a peer has, none is found once it has left. Freeing their memory may take
// longer.
static void test_large_owner_leaves_at_once(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *large = new_owner(index), *other = new_owner(index);
    char name[32];

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "file-%d", i);
        add(index, large, name, "txt", 1);
    }
    add(index, large, "common", "txt", 1);
    add(index, other, "common", "txt", 2);
    index_owner_leave(index, large);
    assert_int_equal(index_records(index), 1);
    assert_int_equal(found(index, "file-9999.txt"), 0);
    assert_int_equal(found(index, "common"), 1);
    assert_int_equal(found(index, "common.txt"), 1);
    assert_true(index_names(index) > 1);
    assert_true(index_work(index));
    while (index_work(index))
        ;
    assert_int_equal(index_names(index), 1);
    assert_int_equal(found(index, "common.txt"), 1);
    index_owner_leave(index, other);
}

// The reported memory grows and shrinks with the content.
static void test_bytes(void **state _unused_) {
    _cleanup_(index_freep) Index *index = new_index();
    IndexOwner *owner = new_owner(index);
    uint64_t empty, full;
    char name[32];

    assert_int_equal(index_word_bytes(index), 0);
    assert_int_equal(index_add_words(index), 0);
    empty = index_record_bytes(index) + index_word_bytes(index);
    assert_true(empty < 100000);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "some file %d", i);
        add(index, owner, name, "txt", 1);
    }
    full = index_record_bytes(index);
    assert_in_range(full, 20000 * 60, 20000 * 160);
    assert_in_range(index_word_bytes(index), 20000 * 3 * 16, 20000 * 4 * 32);
    index_owner_leave(index, owner);
    while (index_work(index))
        ;
    // A page of each block remains, and so do the tables until they shrink again.
    assert_true(index_record_bytes(index) + index_word_bytes(index) < full / 4);
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
        cmocka_unit_test(test_last_owners_come_last),
        cmocka_unit_test(test_a_name_full_of_those_that_come_last),
        cmocka_unit_test(test_type_with_dots),
        cmocka_unit_test(test_large_owner_leaves_at_once),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
