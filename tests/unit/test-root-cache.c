// SPDX-License-Identifier: MIT

// The cache of roots: what it keeps, and what it does with a file that is no good.

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "peer/shares/root-cache.h"

static char dir[] = "/tmp/test-root-cache.XXXXXX";

static int set_up(void **state _unused_) {
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *st _unused_, int flag _unused_,
                      struct FTW *ftw _unused_) {
    return remove(name);
}

static int tear_down(void **state _unused_) {
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path(const char *relative) {
    static char text[512];

    snprintf(text, sizeof(text), "%s/%s", dir, relative);
    return text;
}

static FileIdentity identity(uint64_t inode, uint64_t size) {
    return (FileIdentity){.device = 5, .inode = inode, .size = size, .modified = -3, .changed = 4};
}

static int put(RootCache *cache, uint64_t inode, uint8_t root) {
    FileHash hash = {.identity = identity(inode, 1), .root.bytes = {root}};

    return root_cache_put(cache, &hash, 1);
}

typedef struct Seen {
    size_t count;
    uint64_t inodes;
    MerkleHash last;
} Seen;

static int see(const FileIdentity *found, const MerkleHash *root, void *userdata) {
    Seen *seen = userdata;

    assert_int_equal(found->device, 5);
    assert_int_equal(found->modified, -3);
    assert_int_equal(found->changed, 4);
    seen->count++;
    seen->inodes += found->inode;
    seen->last = *root;
    return 0;
}

static Seen see_all(RootCache *cache) {
    Seen seen = {};

    assert_int_equal(root_cache_each(cache, see, &seen), 0);
    return seen;
}

static void test_rows(void **state _unused_) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    FileIdentity gone[] = {identity(1, 1), identity(99, 1)};

    assert_int_equal(root_cache_open(path("deep/rows"), &cache), 0);
    assert_int_equal(see_all(cache).count, 0);
    assert_int_equal(put(cache, 1, 1), 0);
    assert_int_equal(put(cache, 1, 2), 0); // the file has changed
    assert_int_equal(see_all(cache).count, 1);
    assert_int_equal(see_all(cache).last.bytes[0], 2);
    // Inodes have 64 bits.
    assert_int_equal(put(cache, UINT64_MAX - 5, 3), 0);
    assert_int_equal(see_all(cache).inodes, UINT64_MAX - 4);

    cache = root_cache_free(cache);
    assert_int_equal(root_cache_open(path("deep/rows"), &cache), 0);
    assert_int_equal(see_all(cache).count, 2);
    assert_int_equal(root_cache_forget(cache, gone, ELEMENTSOF(gone)), 0);
    assert_int_equal(see_all(cache).count, 1);
    assert_int_equal(see_all(cache).last.bytes[0], 3);
}

// A row whose pieces lead to its root.
static FileHash hash_of(uint64_t inode, MerkleHash pieces[], size_t n) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    FileHash hash = {.identity = identity(inode, n * PIECE_BYTES_MIN), .pieces = pieces};

    assert_int_equal(merkle_new(&merkle), 0);
    assert_int_equal(merkle_root_of_pieces(merkle, pieces, n * PIECE_BYTES_MIN, &hash.root), 0);
    return hash;
}

static void test_pieces(void **state _unused_) {
    MerkleHash three[] = {{.bytes = {1}}, {.bytes = {2}}, {.bytes = {3}}}, one = {.bytes = {9}};
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    FileHash hash = hash_of(1, three, ELEMENTSOF(three));
    MerkleHash *found;

    assert_int_equal(root_cache_open(path("pieces"), &cache), 0);
    assert_int_equal(root_cache_pieces(cache, &hash.root, hash.identity.size, &found), -ENOENT);
    assert_int_equal(root_cache_put(cache, &hash, 1), 0);
    assert_int_equal(root_cache_pieces(cache, &hash.root, hash.identity.size, &found), 0);
    assert_memory_equal(found, three, sizeof(three));
    free(found);
    assert_int_equal(
        root_cache_pieces(cache, &hash.root, hash.identity.size + PIECE_BYTES_MIN, &found),
        -ENOENT);
    // The one piece of a small file is its root, known or not.
    assert_int_equal(root_cache_pieces(cache, &one, 1, &found), 0);
    assert_memory_equal(found, &one, sizeof(one));
    free(found);
    // The file has changed: its pieces have gone with its root.
    three[0].bytes[0] = 77;
    FileHash changed = hash_of(1, three, ELEMENTSOF(three));

    assert_int_equal(root_cache_put(cache, &changed, 1), 0);
    assert_int_equal(root_cache_pieces(cache, &hash.root, hash.identity.size, &found), -ENOENT);
    // Pieces that do not lead to their root are not handed out.
    changed.root.bytes[0] ^= 1;
    assert_int_equal(root_cache_put(cache, &changed, 1), 0);
    assert_int_equal(root_cache_pieces(cache, &changed.root, changed.identity.size, &found),
                     -ENOENT);
}

static void scribble(const char *relative, off_t from, size_t n) {
    int fd = open(path(relative), O_WRONLY | O_CREAT, 0600);
    char junk[4096];

    assert_true(fd >= 0);
    memset(junk, 'x', sizeof(junk));
    for (; n > 0; n -= MIN(n, sizeof(junk)), from += sizeof(junk))
        assert_true(pwrite(fd, junk, MIN(n, sizeof(junk)), from) > 0);
    close(fd);
}

static void check_usable(const char *relative) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;

    assert_int_equal(root_cache_open(path(relative), &cache), 0);
    assert_int_equal(see_all(cache).count, 0);
    assert_int_equal(put(cache, 1, 1), 0);
    assert_int_equal(see_all(cache).count, 1);
}

static void test_not_a_database(void **state _unused_) {
    mkdir(path("junk"), 0700);
    scribble("junk/roots.db", 0, 10000);
    check_usable("junk");
    assert_int_equal(access(path("junk/roots.db.bad"), F_OK), 0);
}

// Damage that shows only when the rows are read: the first page is as it was.
static void test_damaged_inside(void **state _unused_) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    enum {
        ROWS = 5000
    };
    FileHash *hashes = calloc(ROWS, sizeof(*hashes));
    Seen seen = {};

    assert_non_null(hashes);
    for (size_t i = 0; i < ROWS; i++)
        hashes[i].identity = identity(i, 1);
    assert_int_equal(root_cache_open(path("inside"), &cache), 0);
    assert_int_equal(root_cache_put(cache, hashes, ROWS), 0);
    free(hashes);
    cache = root_cache_free(cache); // which leaves no WAL behind
    scribble("inside/roots.db", 8192, 100000);

    assert_int_equal(root_cache_open(path("inside"), &cache), 0);
    assert_int_equal(root_cache_each(cache, see, &seen), -EIO);
    assert_true(seen.count < ROWS);
    // From now on it is another one.
    assert_int_equal(see_all(cache).count, 0);
    assert_int_equal(put(cache, 1, 1), 0);
    assert_int_equal(see_all(cache).count, 1);
    assert_int_equal(access(path("inside/roots.db.bad"), F_OK), 0);
}

// Where nothing can be written, it works as long as the process lives.
static void test_in_memory(void **state _unused_) {
    MerkleHash two[] = {{.bytes = {1}}, {.bytes = {2}}}, *found;
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    FileHash hash = hash_of(1, two, ELEMENTSOF(two));

    scribble("file", 0, 1);
    assert_int_equal(root_cache_open(path("file/below"), &cache), 0);
    assert_int_equal(root_cache_put(cache, &hash, 1), 0);
    assert_int_equal(see_all(cache).count, 1);
    assert_int_equal(root_cache_pieces(cache, &hash.root, hash.identity.size, &found), 0);
    free(found);
}

static int stop_at_once(const FileIdentity *found _unused_, const MerkleHash *root _unused_,
                        void *userdata) {
    ++*(int *)userdata;
    return -ECANCELED;
}

static void test_stopped(void **state _unused_) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    int calls = 0;

    assert_int_equal(root_cache_open(path("stopped"), &cache), 0);
    assert_int_equal(put(cache, 1, 1), 0);
    assert_int_equal(put(cache, 2, 1), 0);
    assert_int_equal(root_cache_each(cache, stop_at_once, &calls), -ECANCELED);
    assert_int_equal(calls, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_not_a_database), cmocka_unit_test(test_damaged_inside),
        cmocka_unit_test(test_in_memory),      cmocka_unit_test(test_stopped),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
