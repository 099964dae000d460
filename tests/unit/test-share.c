// SPDX-License-Identifier: MIT

// The table of shares, on real files in a temporary directory.

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "peer/shares/share-scan.h"

static char dir[] = "/tmp/test-share.XXXXXX";

static const char *path(const char *relative) {
    static char text[512];

    snprintf(text, sizeof(text), "%s/%s", dir, relative);
    return text;
}

static void make_file(const char *relative, const char *content) {
    FILE *f = fopen(path(relative), "w");

    assert_non_null(f);
    fputs(content, f);
    fclose(f);
}

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

static ShareTable *scan(const char *relative, const char *exclude) {
    StringList paths = {}, excludes = {};
    ShareTable *table;

    assert_int_equal(config_parse_list(NULL, path(relative), &paths), 0);
    if (exclude)
        assert_int_equal(config_parse_list(NULL, exclude, &excludes), 0);
    assert_int_equal(share_scan(&(ShareScan){.paths = &paths, .excludes = &excludes}, &table), 0);
    string_list_clear(&paths);
    string_list_clear(&excludes);
    return table;
}

// The share whose path ends so, or NULL.
static const Share *share_named(const ShareTable *table, const char *relative) {
    for (size_t i = 0; i < share_table_count(table); i++) {
        _cleanup_free_ char *found = share_make_path(share_table_at(table, i));

        assert_int_equal(strlen(found), share_path_len(share_table_at(table, i)));
        assert_int_equal(share_index(share_table_at(table, i)), i);
        if (strcmp(found, path(relative)) == 0)
            return share_table_at(table, i);
    }
    return NULL;
}

static void test_walk(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    const Share *share;

    mkdir(path("walk"), 0755);
    mkdir(path("walk/deep"), 0755);
    make_file("walk/Report.TXT", "eleven byte");
    make_file("walk/README", "");
    make_file("walk/.hidden.txt", "");
    make_file("walk/film.mkv.part", "");
    mkdir(path("walk/.secret"), 0755);
    make_file("walk/.secret/key", "");
    make_file("walk/deep/a,b <c>.tar.gz", "x");
    symlink("/etc/passwd", path("walk/link.txt"));
    symlink("/etc", path("walk/linked-dir"));
    mkfifo(path("walk/fifo"), 0644);
    table = scan("walk", NULL);

    assert_int_equal(share_table_count(table), 3);
    share = share_table_find(table, "Report", "txt", 11);
    assert_non_null(share);
    assert_string_equal(share_record(share).name, "Report");
    assert_string_equal(share_record(share).type, "txt");
    assert_ptr_equal(share_table_find(table, "Report", "TXT", 11), share);
    assert_ptr_equal(share_table_find(table, "Report.txt", "file", 11), share);
    assert_null(share_table_find(table, "report", "txt", 11));
    assert_null(share_table_find(table, "Report", "txt", 12));
    assert_null(share_table_find(table, "passwd", "file", 11));
    assert_non_null(share_table_find(table, "README", "file", 0));
    assert_non_null(share_table_find(table, "a,b <c>.tar", "gz", 1));
}

static void test_exclude(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *by_name = NULL, *by_path = NULL;

    mkdir(path("ex"), 0755);
    mkdir(path("ex/private"), 0755);
    make_file("ex/a.draft", "1");
    make_file("ex/b.txt", "1");
    make_file("ex/private/c.txt", "12");
    by_name = scan("ex", "*.draft");
    assert_int_equal(share_table_count(by_name), 2);
    assert_null(share_named(by_name, "ex/a.draft"));
    by_path = scan("ex", "private/*");
    assert_int_equal(share_table_count(by_path), 2);
    assert_null(share_named(by_path, "ex/private/c.txt"));
}

static void test_why_not(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL, *gone = NULL;

    mkdir(path("why"), 0755);
    mkdir(path("why/2"), 0755);
    make_file("why/1.txt", "same");
    make_file("why/2/1.txt", "size");
    make_file("why/bad\nname", "");
    make_file("why/bad\xff", "");
    table = scan("why", NULL);
    assert_int_equal(share_state(share_named(table, "why/1.txt")), SHARE_HASHING);
    assert_int_equal(share_state(share_named(table, "why/2/1.txt")), SHARE_DUPLICATE);
    assert_int_equal(share_state(share_named(table, "why/bad\nname")), SHARE_UNNAMEABLE);
    assert_int_equal(share_state(share_named(table, "why/bad\xff")), SHARE_UNNAMEABLE);

    gone = scan("no/such.iso", NULL);
    assert_int_equal(share_state(share_table_at(gone, 0)), SHARE_VANISHED);
    assert_int_equal(share_error(share_table_at(gone, 0)), ENOENT);
}

// What has changed since the scan is not served as if it had not.
static void test_open(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    const Share *share;
    char content[8];
    int fd;

    mkdir(path("open"), 0755);
    mkdir(path("open/sub"), 0755);
    make_file("open/sub/a.txt", "four");
    table = scan("open", NULL);
    share = share_table_find(table, "a", "txt", 4);
    assert_non_null(share);

    fd = share_open(share);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, content, sizeof(content)), 4);
    close(fd);

    make_file("open/sub/a.txt", "longer");
    assert_int_equal(share_open(share), -ESTALE);
    unlink(path("open/sub/a.txt"));
    assert_int_equal(share_open(share), -ENOENT);
    mkfifo(path("open/sub/a.txt"), 0644);
    assert_int_equal(share_open(share), -ESTALE);
    unlink(path("open/sub/a.txt"));

    // The directory is swapped for a link that leads out of the share.
    rmdir(path("open/sub"));
    mkdir(path("outside"), 0755);
    make_file("outside/a.txt", "four");
    symlink("../outside", path("open/sub"));
    assert_int_equal(share_open(share), -ELOOP);
}

static void test_single_file(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    int fd;

    make_file("single.iso", "1");
    table = scan("single.iso", NULL);
    assert_int_equal(share_table_count(table), 1);
    fd = share_open(share_table_find(table, "single", "iso", 1));
    assert_true(fd >= 0);
    close(fd);
}

// Roots come later, one by one; any of the files with the same content will do.
static void test_roots(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    MerkleHash one = {.bytes = {1}}, two = {.bytes = {2}};
    const Share *a, *b;

    mkdir(path("roots"), 0755);
    make_file("roots/a.txt", "1");
    make_file("roots/b.txt", "1");
    make_file("roots/c.txt", "2");
    table = scan("roots", NULL);
    a = share_named(table, "roots/a.txt");
    b = share_named(table, "roots/b.txt");
    assert_int_equal(share_table_count_state(table, SHARE_HASHING), 3);
    assert_null(share_table_find_root(table, &one));
    assert_false(share_record(a).has_root);

    share_table_set_root(table, share_index(b), &one);
    assert_ptr_equal(share_table_find_root(table, &one), b);
    share_table_set_root(table, share_index(a), &one);
    assert_non_null(share_table_find_root(table, &one));
    assert_null(share_table_find_root(table, &two));
    assert_int_equal(share_state(a), SHARE_OFFERED);
    assert_true(share_record(a).has_root);
    assert_memory_equal(share_record(a).root.bytes, one.bytes, sizeof(one.bytes));

    share_table_set_error(table, 2, EIO);
    assert_int_equal(share_state(share_table_at(table, 2)), SHARE_UNREADABLE);
    assert_int_equal(share_error(share_table_at(table, 2)), EIO);
    assert_int_equal(share_table_count_state(table, SHARE_HASHING), 0);
    assert_int_equal(share_table_count_state(table, SHARE_OFFERED), 2);
    assert_null(share_table_find_root(NULL, &one));
}

// What was hashed is what is opened: the same bytes with other times are another file.
static void test_stale(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    const Share *share;
    int fd;

    mkdir(path("stale"), 0755);
    make_file("stale/a.txt", "same");
    make_file("stale/b.txt", "same");
    make_file("stale/other", "same");
    table = scan("stale", NULL);
    share = share_named(table, "stale/a.txt");
    fd = share_open(share);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(utimensat(AT_FDCWD, path("stale/a.txt"), times, 0), 0);
    assert_int_equal(share_open(share), -ESTALE);

    // Another inode, renamed over it.
    share = share_named(table, "stale/b.txt");
    {
        _cleanup_free_ char *from = strdup(path("stale/other"));

        assert_int_equal(rename(from, path("stale/b.txt")), 0);
    }
    assert_int_equal(share_open(share), -ESTALE);
}

// More than one chunk, and indexes that are filled as far as they ever are.
static void test_many(void **state _unused_) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    enum {
        COUNT = 3000
    };
    char name[64], previous[64] = "";

    mkdir(path("many"), 0755);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "many/%d.%s", i, i % 2 ? "JPEG" : "txt");
        make_file(name, "x");
    }
    table = scan("many", NULL);
    assert_int_equal(share_table_count(table), COUNT);
    for (int i = 0; i < COUNT; i++) {
        const Share *share = share_table_at(table, i);
        _cleanup_free_ char *whole = share_make_path(share);
        MerkleHash root = {};

        // In the order of their names.
        assert_true(strcmp(previous, strrchr(whole, '/') + 1) < 0);
        snprintf(previous, sizeof(previous), "%s", strrchr(whole, '/') + 1);
        memcpy(root.bytes, &i, sizeof(i));
        share_table_set_root(table, i, &root);
    }
    for (int i = 0; i < COUNT; i++) {
        MerkleHash root = {};

        memcpy(root.bytes, &i, sizeof(i));
        assert_ptr_equal(share_table_find_root(table, &root), share_table_at(table, i));
        snprintf(name, sizeof(name), "%d", i);
        assert_non_null(share_table_find(table, name, i % 2 ? "jpeg" : "txt", 1));
    }
    assert_null(share_table_find(table, "3000", "txt", 1));
}

static int add_entry(const char *relative, RootCache *cache, FileIdentity *ret) {
    MerkleHash root = {.bytes = {7}};
    struct stat st;

    assert_int_equal(stat(path(relative), &st), 0);
    *ret = file_identity(&st);
    return root_cache_put(cache, &(FileHash){.identity = *ret, .root = root}, 1);
}

// What is in the cache is not hashed; hard links are found by each of their names.
static void test_cached(void **state _unused_) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    StringList paths = {}, excludes = {};
    FileIdentity identity;

    mkdir(path("cached"), 0755);
    make_file("cached/a.txt", "1");
    make_file("cached/b.txt", "22");
    make_file("cached/new.txt", "333");
    {
        _cleanup_free_ char *from = strdup(path("cached/a.txt"));

        assert_int_equal(link(from, path("cached/same.bin")), 0);
    }
    assert_int_equal(root_cache_open(path("cache-of-cached"), &cache), 0);
    assert_int_equal(add_entry("cached/a.txt", cache, &identity), 0);
    assert_int_equal(add_entry("cached/b.txt", cache, &identity), 0);
    make_file("cached/b.txt", "44"); // as long as before
    assert_int_equal(config_parse_list(NULL, path("cached"), &paths), 0);
    assert_int_equal(
        share_scan(&(ShareScan){.paths = &paths, .excludes = &excludes, .roots = cache}, &table),
        0);
    string_list_clear(&paths);
    assert_int_equal(share_state(share_named(table, "cached/a.txt")), SHARE_OFFERED);
    assert_int_equal(share_state(share_named(table, "cached/same.bin")), SHARE_OFFERED);
    assert_int_equal(share_record(share_named(table, "cached/a.txt")).root.bytes[0], 7);
    assert_int_equal(share_state(share_named(table, "cached/b.txt")), SHARE_HASHING);
    assert_int_equal(share_state(share_named(table, "cached/new.txt")), SHARE_HASHING);
}

static void test_cancelled(void **state _unused_) {
    StringList paths = {}, excludes = {};
    atomic_bool cancelled = true;
    ShareTable *table;

    assert_int_equal(config_parse_list(NULL, dir, &paths), 0);
    assert_int_equal(
        share_scan(&(ShareScan){.paths = &paths, .excludes = &excludes, .cancelled = &cancelled},
                   &table),
        -ECANCELED);
    string_list_clear(&paths);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),        cmocka_unit_test(test_exclude),
        cmocka_unit_test(test_why_not),     cmocka_unit_test(test_open),
        cmocka_unit_test(test_single_file), cmocka_unit_test(test_roots),
        cmocka_unit_test(test_stale),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_cached),      cmocka_unit_test(test_cancelled),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
