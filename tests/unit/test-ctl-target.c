// SPDX-License-Identifier: MIT

// Targets of downloads: no name from a stranger leads out of the directory, and nothing is replaced
// unless the user has named it.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "ctl/target.h"

static void test_names(void **state _unused_) {
    static const char *const bad[] = {"",     ".",        "..",   "a/b",  "/",
                                      "a\nb", "a\033[2J", "\xff", "a\x7f"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        assert_false(target_name_is_safe(bad[i]));
    assert_true(target_name_is_safe("Zwölf, <a>; b.txt"));
    assert_true(target_name_is_safe("...") && target_name_is_safe(".a"));
}

static void test_file_name(void **state _unused_) {
    static const struct {
        const char *typed, *name, *type, *expected;
    } rows[] = {
        {"report.txt", "report", "txt", "report.txt"},
        {"report", "report", "txt", "report.txt"},
        {"IMG.JPG", "IMG", "jpg", "IMG.JPG"}, // as typed, not as in the record
        {"README", "README", "file", "README"},
        {"README", "README", "", "README"},
        {"report.v2", "report.v2", "txt", "report.v2.txt"},
        {"report", "report", "x/../../etc/passwd", "report"},
        {"report", "report", "a\033b", "report"},
        {"report", "../../etc/passwd", "txt", "report"},
        {"report", "other", "txt", "report"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_free_ char *name = target_file_name(rows[i].typed, rows[i].name, rows[i].type);

        assert_string_equal(name, rows[i].expected);
    }
}

// Runs in a directory of its own.
static int enter(void **state) {
    char *path = strdup("/tmp/test-ctl-target.XXXXXX");

    *state = path;
    return path && mkdtemp(path) && chdir(path) == 0 ? 0 : -1;
}

static int leave(void **state) {
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
    free(*state);
    return chdir("/") == 0 ? system(command) : -1;
}

static void write_file(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    close(fd);
}

static bool exists(const char *path) {
    struct stat st;

    return lstat(path, &st) == 0;
}

static void test_commit(void **state _unused_) {
    _cleanup_(target_clear) Target target = TARGET_INIT, second = TARGET_INIT;
    const DownloadRequest options = {};

    assert_int_equal(target_init(&target, "report", "report.txt", &options), 0);
    assert_int_equal(target_open(&target, true), 0);
    assert_true(exists("report.txt.part") && !target.had_bytes);
    // Two downloads never write to the same file.
    assert_int_equal(target_init(&second, "report", "report.txt", &options), 0);
    assert_int_equal(target_open(&second, true), -EAGAIN);
    assert_int_equal(write(target.fd, "hello", 5), 5);
    assert_int_equal(target_commit(&target, 6), -EIO);
    assert_int_equal(target_commit(&target, 5), 0);
    assert_true(exists("report.txt") && !exists("report.txt.part"));
}

// The bytes of an earlier attempt are kept if they can be checked, else removed.
static void test_resume(void **state _unused_) {
    const DownloadRequest options = {.output = "resumed"};
    Target target;
    struct stat st;

    assert_int_equal(target_init(&target, "x", "x", &options), 0);
    assert_int_equal(target_open(&target, true), 0);
    assert_int_equal(write(target.fd, "hello", 5), 5);
    target.keep_part = true;
    target_clear(&target);
    assert_int_equal(target_init(&target, "x", "x", &options), 0);
    assert_int_equal(target_open(&target, true), 0);
    assert_true(target.had_bytes);
    assert_true(fstat(target.fd, &st) == 0 && st.st_size == 5);
    target.keep_part = true;
    target_clear(&target);
    assert_int_equal(target_init(&target, "x", "x", &options), 0);
    assert_int_equal(target_open(&target, false), 0);
    assert_false(target.had_bytes);
    assert_true(fstat(target.fd, &st) == 0 && st.st_size == 0);
    target_clear(&target);
    assert_false(exists("resumed.part"));
}

static void test_discard(void **state _unused_) {
    const DownloadRequest options = {.output = "other"};
    Target target;

    assert_int_equal(target_init(&target, "discarded.txt", "discarded.txt", &options), 0);
    assert_int_equal(target_open(&target, true), 0);
    assert_true(exists("other.part"));
    target_clear(&target);
    assert_false(exists("other.part") || exists("other"));
}

static void test_existing(void **state _unused_) {
    _cleanup_(target_clear) Target refused = TARGET_INIT, forced = TARGET_INIT;
    _cleanup_(target_clear) Target named = TARGET_INIT, raced = TARGET_INIT;
    const DownloadRequest none = {}, force = {.force = true}, output = {.output = "there.txt"};

    write_file("there.txt");
    assert_int_equal(target_init(&refused, "there", "there.txt", &none), -EEXIST);
    assert_int_equal(target_init(&forced, "there.txt", "there.txt", &force), 0);
    assert_int_equal(target_init(&named, "x", "x", &output), 0);
    // Another program creates the file during the download: its file stays, and ours is not lost.
    assert_int_equal(target_init(&raced, "raced.txt", "raced.txt", &none), 0);
    assert_int_equal(target_open(&raced, true), 0);
    write_file("raced.txt");
    assert_int_equal(target_commit(&raced, 0), -EEXIST);
    target_clear(&raced);
    assert_true(exists("raced.txt.part"));
}

static void test_output(void **state _unused_) {
    _cleanup_(target_clear) Target into = TARGET_INIT, device = TARGET_INIT, link = TARGET_INIT;
    const DownloadRequest sub = {.output = "sub"}, null = {.output = "/dev/null"};
    const DownloadRequest linked = {.output = "link"};
    _cleanup_free_ char *path = NULL;

    assert_int_equal(mkdir("sub", 0755), 0);
    assert_int_equal(target_init(&into, "a", "a.txt", &sub), 0);
    path = target_path(&into);
    assert_string_equal(path, "sub/a.txt");
    assert_int_equal(target_init(&device, "a", "a", &null), -EINVAL);
    assert_int_equal(symlink("victim", "link.part"), 0);
    assert_int_equal(target_init(&link, "a", "a", &linked), 0);
    assert_int_equal(target_open(&link, true), -ELOOP);
    assert_false(exists("victim"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_file_name),
        cmocka_unit_test(test_commit),  cmocka_unit_test(test_resume),
        cmocka_unit_test(test_discard), cmocka_unit_test(test_existing),
        cmocka_unit_test(test_output),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
