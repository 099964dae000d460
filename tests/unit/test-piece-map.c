// SPDX-License-Identifier: MIT

#include "test.h"

#include "peer/swarm/piece-map.h"
#include "util/macro.h"

static void test_take(void **state _unused_) {
    PieceMap map;
    uint64_t first;

    assert_int_equal(piece_map_init(&map, 10), 0);
    assert_int_equal(piece_map_take(&map, 4, &first), 4);
    assert_int_equal(first, 0);
    assert_int_equal(piece_map_take(&map, 100, &first), 6);
    assert_int_equal(first, 4);
    assert_int_equal(piece_map_take(&map, 1, &first), 0);
    assert_int_equal(map.missing, 0);
    assert_false(piece_map_complete(&map));

    // What is given back is taken again, in runs; what is there is not given back.
    piece_map_set(&map, 2, PIECE_THERE);
    piece_map_give_back(&map, 1, 4);
    assert_int_equal(map.missing, 2);
    assert_int_equal(piece_map_take(&map, 100, &first), 1);
    assert_int_equal(first, 1);
    assert_int_equal(piece_map_take(&map, 100, &first), 1);
    assert_int_equal(first, 3);
    piece_map_done(&map);
}

static void test_complete(void **state _unused_) {
    PieceMap map;

    assert_int_equal(piece_map_init(&map, 3), 0);
    for (uint64_t i = 3; i > 0; i--) {
        assert_false(piece_map_complete(&map));
        piece_map_set(&map, i - 1, PIECE_THERE);
        piece_map_set(&map, i - 1, PIECE_THERE);
    }
    assert_true(piece_map_complete(&map));
    assert_int_equal(map.missing, 0);
    piece_map_set(&map, 1, PIECE_MISSING);
    assert_false(piece_map_complete(&map));
    assert_int_equal(map.missing, 1);
    piece_map_done(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
