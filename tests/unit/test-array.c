// SPDX-License-Identifier: MIT

#include "util/array.h"

#include "test.h"

static void test_grows(void **state _unused_) {
    uint32_t room = 0; // any unsigned type will do
    int *items = NULL;
    size_t count = 0;

    for (int i = 0; i < 100; i++) {
        assert_int_equal(ARRAY_RESERVE(items, room, count + 1, 8), 0);
        items[count++] = i;
    }
    assert_int_equal(room, 128);
    for (int i = 0; i < 100; i++)
        assert_int_equal(items[i], i);
    free(items);
}

static void test_room_is_used(void **state _unused_) {
    _cleanup_free_ char *items = NULL;
    const char *before;
    size_t room = 0;

    assert_int_equal(ARRAY_RESERVE(items, room, 0, 8), 0);
    assert_null(items);
    assert_int_equal(ARRAY_RESERVE(items, room, 1, 8), 0);
    assert_int_equal(room, 8);
    before = items;
    assert_int_equal(ARRAY_RESERVE(items, room, 8, 8), 0);
    assert_ptr_equal(items, before);
    assert_int_equal(ARRAY_RESERVE(items, room, 9, 8), 0);
    assert_int_equal(room, 16);
    assert_int_equal(ARRAY_RESERVE(items, room, 1000, 8), 0); // several at once
    assert_int_equal(room, 1024);
}

static void test_no_minimum(void **state _unused_) {
    _cleanup_free_ uint64_t *items = NULL;
    size_t room = 0;

    assert_int_equal(ARRAY_RESERVE(items, room, 1, 0), 0);
    assert_int_equal(room, 1);
    assert_int_equal(ARRAY_RESERVE(items, room, 3, 0), 0);
    assert_int_equal(room, 4);
}

// The number of bytes overflows, and so does the number of items: nothing changes.
static void test_too_much(void **state _unused_) {
    _cleanup_free_ uint64_t *items = NULL;
    const uint64_t *before;
    size_t room = 0;

    assert_int_equal(ARRAY_RESERVE(items, room, 1, 4), 0);
    items[0] = 7;
    before = items;
    assert_int_equal(ARRAY_RESERVE(items, room, SIZE_MAX / 4, 4), -ENOMEM);
    assert_int_equal(ARRAY_RESERVE(items, room, SIZE_MAX, 4), -ENOMEM);
    assert_ptr_equal(items, before);
    assert_int_equal(items[0], 7);
    assert_int_equal(room, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_room_is_used),
        cmocka_unit_test(test_no_minimum),
        cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
