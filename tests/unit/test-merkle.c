// SPDX-License-Identifier: MIT

// Compares roots with those that libtorrent 2.0.8 computed for the same bytes.

#include "test.h"

#include "util/merkle.h"

static const struct {
    size_t size;
    const char *root;
} roots[] = {
    // BEP 52 defines no root for an empty file. This is the SHA-256 of nothing.
    {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {16383, "095da957d179a83905896a0e30dc0ef31ecb8c3e796d899ab647fe6eb42bc5ea"},
    {16384, "127c52d4afc9d4e335b94d914f75fbf75b5dc62e6dbd31c6d71c868fc23e5fe5"},
    {16385, "ed50aa6f263172ac5097e54684d484dd9036bae3d7c729b4ede1bd2a125514fe"},
    {32768, "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2"},
    {32769, "5e17c191acd809f178fb1a56e869fe2270ded1d6ba2a1aa173f6e59fba14a812"},
    {49152, "4908d995d9e4bcb9ccd830b858b9bdb26d7e884d39e22da8a958c7a23fb0d2bb"},
    {65536, "ff68aebb48bc3e3dbd4763ff1c4568ad183e0a3777f6c3395cb9fcf15f561d8e"},
    {81921, "efbbf6e7ac86afb4e76545d2fd1442c6b6579d3b0b637afd72206cc70de8e92d"},
    {1048576, "67dc226d12ad9ba03e557f756e7a0e75aaab6394b11341b82034a87d2cf64031"},
    {1048577, "81a4989c1989d0b591e62142ff4ab299b4955cc458893129c440977e8e9d7c4c"},
};

// `leaves`: NULL, or a hasher for many leaves at once.
static void check_roots(size_t step, LeafHasher *leaves) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    static uint8_t content[1048577];
    char text[MERKLE_TEXT_BYTES + 1];
    MerkleHash root;

    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 7 + i / 256 * 13);
    assert_int_equal(merkle_new(&merkle), 0);
    merkle_use(merkle, leaves);
    for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
        for (size_t at = 0; at < roots[i].size; at += MIN(step, roots[i].size - at))
            assert_int_equal(merkle_update(merkle, content + at, MIN(step, roots[i].size - at)), 0);
        assert_int_equal(merkle_finish(merkle, &root), 0);
        merkle_hash_format(&root, text);
        assert_string_equal(text, roots[i].root);
    }
}

static void test_whole(void **state _unused_) {
    check_roots(SIZE_MAX, NULL);
}

static void test_in_pieces(void **state _unused_) {
    check_roots(1000, NULL);
    check_roots(MERKLE_LEAF_BYTES, NULL);
    check_roots(MERKLE_LEAF_BYTES + 1, NULL);
}

// However many leaves are hashed at once, and whatever came before, the roots are the same.
static void test_many_at_once(void **state _unused_) {
    _cleanup_(leaf_hasher_freep) LeafHasher *leaves = leaf_hasher_new();

    if (!leaves)
        skip();
    check_roots(SIZE_MAX, leaves);
    for (size_t n = 1; n <= LEAVES_AT_ONCE; n += 1 + n / 4)
        check_roots(n * MERKLE_LEAF_BYTES, leaves);
    check_roots(1000, leaves);
    check_roots(5 * MERKLE_LEAF_BYTES - 1, leaves);
    check_roots(7 * MERKLE_LEAF_BYTES + 1, leaves);
}

// The hashes of the pieces lead to the root of the whole file.
static void check_pieces(uint64_t size) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    MerkleHash pieces[8], root, whole;

    assert_int_equal(merkle_new(&merkle), 0);
    assert_in_range(piece_count(size), 1, ELEMENTSOF(pieces));
    for (uint64_t i = 0; i < piece_count(size); i++) {
        for (uint64_t at = 0; at < piece_len(size, i); at += 4096) {
            uint8_t block[4096];

            memset(block, (int)(i * 31 + at / 4096), sizeof(block));
            assert_int_equal(
                merkle_update(merkle, block, MIN(sizeof(block), piece_len(size, i) - at)), 0);
        }
        assert_int_equal(merkle_finish_piece(merkle, size, &pieces[i]), 0);
    }
    assert_int_equal(merkle_root_of_pieces(merkle, pieces, size, &root), 0);
    for (uint64_t i = 0; i < piece_count(size); i++)
        for (uint64_t at = 0; at < piece_len(size, i); at += 4096) {
            uint8_t block[4096];

            memset(block, (int)(i * 31 + at / 4096), sizeof(block));
            assert_int_equal(
                merkle_update(merkle, block, MIN(sizeof(block), piece_len(size, i) - at)), 0);
        }
    assert_int_equal(merkle_finish(merkle, &whole), 0);
    assert_memory_equal(&root, &whole, sizeof(root));
}

static void test_pieces(void **state _unused_) {
    static const uint64_t sizes[] = {
        0,
        1,
        MERKLE_LEAF_BYTES + 1,
        PIECE_BYTES_MIN - 1,
        PIECE_BYTES_MIN,
        PIECE_BYTES_MIN + 1,
        2 * PIECE_BYTES_MIN,
        2 * PIECE_BYTES_MIN + MERKLE_LEAF_BYTES,
        5 * PIECE_BYTES_MIN + 3 * MERKLE_LEAF_BYTES + 7,
        8 * PIECE_BYTES_MIN,
    };

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        check_pieces(sizes[i]);
}

static void test_piece_sizes(void **state _unused_) {
    const uint64_t limit = (uint64_t)PIECES_MAX * PIECE_BYTES_MIN;

    assert_int_equal(piece_bytes(0), PIECE_BYTES_MIN);
    assert_int_equal(piece_count(0), 1);
    assert_int_equal(piece_len(0, 0), 0);
    assert_int_equal(piece_bytes(limit), PIECE_BYTES_MIN);
    assert_int_equal(piece_count(limit), PIECES_MAX);
    assert_int_equal(piece_bytes(limit + 1), 2 * PIECE_BYTES_MIN);
    assert_int_equal(piece_count(limit + 1), PIECES_MAX / 2 + 1);
    assert_int_equal(piece_len(limit + 1, PIECES_MAX / 2), 1);
    assert_true(piece_count(INT64_MAX) <= PIECES_MAX);
}

static void test_text(void **state _unused_) {
    char text[MERKLE_TEXT_BYTES + 1];
    MerkleHash hash;

    assert_int_equal(merkle_hash_parse(roots[1].root, MERKLE_TEXT_BYTES, &hash), 0);
    merkle_hash_format(&hash, text);
    assert_string_equal(text, roots[1].root);
    for (size_t i = 0; i < MERKLE_TEXT_BYTES; i++)
        text[i] = (char)(text[i] >= 'a' ? text[i] - 'a' + 'A' : text[i]);
    assert_int_equal(merkle_hash_parse(text, MERKLE_TEXT_BYTES, &hash), 0);
    assert_int_equal(merkle_hash_parse(text, MERKLE_TEXT_BYTES - 1, &hash), -EINVAL);
    text[63] = 'g';
    assert_int_equal(merkle_hash_parse(text, MERKLE_TEXT_BYTES, &hash), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_in_pieces),
        cmocka_unit_test(test_many_at_once), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_piece_sizes),  cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
