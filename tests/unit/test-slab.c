// SPDX-License-Identifier: MIT

// The memory of the index: pieces keep their content, and free memory returns to the kernel.

#include "test.h"

#include <stdio.h>

#include "ft/slab.h"

enum {
    PIECES = 4000,
    STEPS = 200000,
};

typedef struct Piece {
    uint8_t *data;
    size_t size;
    uint8_t fill;
} Piece;

static size_t pick_size(unsigned *seed) {
    return 1 + rand_r(seed) % (rand_r(seed) % 8 == 0 ? SLAB_BYTES_MAX : 500);
}

static void assert_holds(const Piece *piece, size_t size) {
    for (size_t i = 0; i < size; i++)
        assert_int_equal(piece->data[i], piece->fill);
}

static void step(Slab *slab, Piece *piece, unsigned *seed) {
    size_t size = pick_size(seed), old = piece->size;

    if (piece->data && rand_r(seed) % 2) {
        assert_holds(piece, old);
        slab_free(slab, piece->data);
        *piece = (Piece){};
        return;
    }
    piece->data = piece->data ? slab_resize(slab, piece->data, size) : slab_alloc(slab, size);
    assert_non_null(piece->data);
    assert_int_equal((uintptr_t)piece->data % SLAB_STEP, 0);
    assert_holds(piece, MIN(old, size));
    piece->size = size;
    piece->fill = (uint8_t)rand_r(seed);
    memset(piece->data, piece->fill, size);
}

static void test_random_pieces(void **state _unused_) {
    static Piece pieces[PIECES];
    Slab slab = {};
    unsigned seed = 5;

    for (int i = 0; i < STEPS; i++)
        step(&slab, &pieces[rand_r(&seed) % PIECES], &seed);
    for (int i = 0; i < PIECES; i++)
        if (pieces[i].data) {
            assert_holds(&pieces[i], pieces[i].size);
            slab_free(&slab, pieces[i].data);
        }
    slab_clear(&slab);
}

static size_t resident(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t size, pages;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &size, &pages), 2);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void test_memory_is_given_back(void **state _unused_) {
    const size_t count = 200000, size = 320; // 64 MB
    void **pieces = calloc(count, sizeof(*pieces));
    Slab slab = {};
    const size_t before = resident();
    size_t full;

    assert_non_null(pieces);
    for (size_t i = 0; i < count; i++) {
        pieces[i] = slab_alloc(&slab, size);
        memset(pieces[i], 1, size);
    }
    full = resident();
    assert_in_range(slab.bytes, count * size, full - before + (1 << 20));
    for (size_t i = 0; i < count; i++)
        slab_free(&slab, pieces[i]);
    assert_true(resident() < full - count * size * 3 / 4);
    assert_in_range(slab.bytes, count * size / 20, count * size / 10); // a page of each block
    for (size_t i = 0; i < count; i++) { // reuses the blocks for another size
        pieces[i] = slab_alloc(&slab, size / 2);
        memset(pieces[i], 1, size / 2);
    }
    assert_true(resident() < full);
    assert_in_range(slab.bytes, count * size / 2, count * size * 3 / 4);
    free(pieces);
    slab_clear(&slab);
    assert_int_equal(slab.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_pieces),
        cmocka_unit_test(test_memory_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
