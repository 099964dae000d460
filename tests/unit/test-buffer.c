// SPDX-License-Identifier: MIT

#include "test.h"
#include "util/buffer.h"

static void test_first_in_first_out(void **state _unused_) {
    Buffer b = {};

    assert_int_equal(buffer_append(&b, "hello ", 6), 0);
    assert_int_equal(buffer_append(&b, "world", 5), 0);
    assert_int_equal(b.size, 11);
    assert_memory_equal(buffer_data(&b), "hello world", 11);
    buffer_consume(&b, 6);
    assert_int_equal(b.size, 5);
    assert_memory_equal(buffer_data(&b), "world", 5);
    buffer_clear(&b);
    assert_int_equal(b.size, 0);
    assert_null(buffer_data(&b));
}

static void test_empty_holds_no_memory(void **state _unused_) {
    Buffer b = {};

    assert_int_equal(buffer_append(&b, NULL, 0), 0);
    assert_null(b.data);
    assert_int_equal(buffer_append(&b, "x", 1), 0);
    assert_non_null(b.data);
    buffer_consume(&b, 1);
    assert_null(b.data);
    assert_int_equal(b.capacity, 0);
}

static void test_reserve_and_commit(void **state _unused_) {
    Buffer b = {};
    char *tail = buffer_reserve(&b, 1000);

    assert_non_null(tail);
    assert_int_equal(b.size, 0); // nothing counts before the commit
    memset(tail, 'a', 1000);
    buffer_commit(&b, 3);
    assert_int_equal(b.size, 3);
    assert_memory_equal(buffer_data(&b), "aaa", 3);
    buffer_clear(&b);
}

// Consumed room is reused, and the bytes behind it stay intact.
static void test_long_queue_stays_small(void **state _unused_) {
    Buffer b = {};
    uint32_t in = 0, out = 0, value;

    for (int round = 0; round < 10000; round++) {
        for (int i = 0; i < 3; i++, in++)
            assert_int_equal(buffer_append(&b, &in, sizeof(in)), 0);
        for (int i = 0; i < (round < 10 ? 2 : 3); i++, out++) {
            memcpy(&value, buffer_data(&b), sizeof(value));
            assert_int_equal(value, out);
            buffer_consume(&b, sizeof(value));
        }
    }
    assert_int_equal(b.size, (in - out) * sizeof(value));
    assert_true(b.capacity <= 1024);
    buffer_clear(&b);
}

static void test_impossible_size(void **state _unused_) {
    Buffer b = {};

    assert_int_equal(buffer_append(&b, "x", 1), 0);
    assert_null(buffer_reserve(&b, SIZE_MAX));     // the sum overflows
    assert_null(buffer_reserve(&b, SIZE_MAX - 8)); // doubling the capacity overflows
    assert_int_equal(b.size, 1);
    assert_memory_equal(buffer_data(&b), "x", 1);
    buffer_clear(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out), cmocka_unit_test(test_empty_holds_no_memory),
        cmocka_unit_test(test_reserve_and_commit), cmocka_unit_test(test_long_queue_stays_small),
        cmocka_unit_test(test_impossible_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
