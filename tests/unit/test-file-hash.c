// SPDX-License-Identifier: MIT

// Hashes files with threads, and compares with the root of the same bytes in one stream.

#include "test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "util/file-hash.h"

// A file in memory whose pieces differ.
static int make_file(uint64_t size) {
    int fd = memfd_create("test-file-hash", MFD_CLOEXEC);
    static uint8_t block[65536];

    assert_true(fd >= 0);
    for (uint64_t at = 0; at < size; at += sizeof(block)) {
        size_t n = MIN(sizeof(block), size - at);

        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (uint8_t)(i * 7 + at / 4099 * 13);
        assert_int_equal(pwrite(fd, block, n, (off_t)at), n);
    }
    return fd;
}

static MerkleHash root_of_stream(int fd) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    static uint8_t block[65536];
    MerkleHash root;
    off_t at = 0;
    ssize_t n;

    assert_int_equal(merkle_new(&merkle), 0);
    for (; (n = pread(fd, block, sizeof(block), at)) > 0; at += n)
        assert_int_equal(merkle_update(merkle, block, n), 0);
    assert_int_equal(merkle_finish(merkle, &root), 0);
    return root;
}

static void test_sizes(void **state _unused_) {
    static const uint64_t sizes[] = {
        0,
        1,
        MERKLE_LEAF_BYTES,
        PIECE_BYTES_MIN - 1,
        PIECE_BYTES_MIN,
        PIECE_BYTES_MIN + 1,
        7 * PIECE_BYTES_MIN + MERKLE_LEAF_BYTES + 5,
        130 * PIECE_BYTES_MIN,
    };

    for (unsigned threads = 1; threads <= 5; threads += 2) {
        _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;

        assert_int_equal(file_hasher_new(threads, &hasher), 0);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
            _cleanup_close_ int fd = make_file(sizes[i]);
            MerkleHash root = root_of_stream(fd), again;
            _cleanup_(merkle_freep) Merkle *merkle = NULL;
            FileHash hash;

            assert_int_equal(file_hash(hasher, fd, NULL, NULL, &hash), 0);
            assert_int_equal(hash.identity.size, sizes[i]);
            assert_memory_equal(&hash.root, &root, sizeof(root));
            assert_int_equal(merkle_new(&merkle), 0);
            assert_int_equal(merkle_root_of_pieces(merkle, hash.pieces, sizes[i], &again), 0);
            assert_memory_equal(&again, &root, sizeof(root));
            file_hash_done(&hash);
        }
    }
}

typedef struct Gate {
    int fd;
    atomic_int calls;
    int at; // the number of the call that does something
    enum {
        GATE_FAIL,
        GATE_TRUNCATE,
        GATE_WRITE,
    } what;
} Gate;

static int gate_run(size_t bytes, void *userdata) {
    Gate *gate = userdata;

    assert_in_range(bytes, 1, PIECE_BYTES_MIN);
    if (atomic_fetch_add(&gate->calls, 1) != gate->at)
        return 0;
    if (gate->what == GATE_FAIL)
        return -ECANCELED;
    if (gate->what == GATE_TRUNCATE)
        return ftruncate(gate->fd, PIECE_BYTES_MIN) < 0 ? -errno : 0;
    // Writes as many bytes as before, in another clock tick.
    usleep(20000);
    return pwrite(gate->fd, "other", 5, 0) == 5 ? 0 : -EIO;
}

static void test_interrupted(void **state _unused_) {
    static const int expected[] = {
        [GATE_FAIL] = -ECANCELED,
        [GATE_TRUNCATE] = -ESTALE,
        [GATE_WRITE] = -ESTALE,
    };
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;

    assert_int_equal(file_hasher_new(2, &hasher), 0);
    for (size_t what = 0; what < ELEMENTSOF(expected); what++) {
        _cleanup_close_ int fd = make_file(200 * PIECE_BYTES_MIN);
        Gate gate = {.fd = fd, .at = 70, .what = what};
        MerkleHash root;
        FileHash hash;

        assert_int_equal(file_hash(hasher, fd, gate_run, &gate, &hash), expected[what]);
        // It must stop before the end.
        assert_in_range(atomic_load(&gate.calls), 1, 150);
        // Leftovers must not affect the next file.
        root = root_of_stream(fd);
        assert_int_equal(file_hash(hasher, fd, NULL, NULL, &hash), 0);
        assert_memory_equal(&hash.root, &root, sizeof(root));
        file_hash_done(&hash);
    }
}

static void test_no_file(void **state _unused_) {
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;
    _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    FileHash hash;

    assert_int_equal(file_hasher_new(1, &hasher), 0);
    assert_int_equal(file_hash(hasher, fd, NULL, NULL, &hash), -EINVAL);
    assert_int_equal(file_hash(hasher, -1, NULL, NULL, &hash), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
