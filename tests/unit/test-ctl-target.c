// SPDX-License-Identifier: MIT

// Where a download goes: no name of a stranger's leads out of the directory, and nothing is
// replaced that the user did not name.

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
        {"IMG.JPG", "IMG", "jpg", "IMG.JPG"}, // as typed, not as the record has it
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

// In a directory of its own.
static int enter(void **state) {
    char *path = strdup("/tmp/test-ctl-target.XXXXXX");

    *state = path;
    return path && mkdtemp(path) && chdir(path) == 0 ? 0 : -1;
}

static int leave(void **state) {
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", (char *) *state);
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
    _cleanup_(target_clear) Target target = {.fd = -EBADF}, second = {.fd = -EBADF};
    const DownloadOptions options = {};

    assert_int_equal(target_init(&target, "report", &options), 0);
    assert_int_equal(target_open(&target), 0);
    assert_true(exists("report.part"));
    // Two downloads never write to one file.
    assert_int_equal(target_init(&second, "report", &options), 0);
    assert_int_equal(target_open(&second), -EAGAIN);
    assert_int_equal(write(target.fd, "hello", 5), 5);
    assert_int_equal(target_set_record(&target, "report", "txt"), 0);
    assert_int_equal(target_commit(&target, 6), -EIO);
    assert_int_equal(target_commit(&target, 5), 0);
    assert_true(exists("report.txt") && !exists("report.part"));
}

static void test_discard(void **state _unused_) {
    const DownloadOptions options = {.output = "other"};
    Target target;

    assert_int_equal(target_init(&target, "discarded.txt", &options), 0);
    assert_int_equal(target_open(&target), 0);
    assert_true(exists("other.part"));
    target_clear(&target);
    assert_false(exists("other.part") || exists("other"));
}

static void test_existing(void **state _unused_) {
    _cleanup_(target_clear) Target refused = {.fd = -EBADF}, late = {.fd = -EBADF};
    _cleanup_(target_clear) Target forced = {.fd = -EBADF}, named = {.fd = -EBADF};
    _cleanup_(target_clear) Target raced = {.fd = -EBADF};

    write_file("there.txt");
    assert_int_equal(target_init(&refused, "there.txt", &(DownloadOptions){}), -EEXIST);
    assert_int_equal(target_init(&late, "there", &(DownloadOptions){}), 0);
    assert_int_equal(target_set_record(&late, "there", "txt"), -EEXIST);
    assert_int_equal(target_init(&forced, "there.txt", &(DownloadOptions){.force = true}), 0);
    assert_int_equal(target_init(&named, "x", &(DownloadOptions){.output = "there.txt"}), 0);
    // Somebody makes the file while we download it: theirs stays, and ours is not lost.
    assert_int_equal(target_init(&raced, "raced.txt", &(DownloadOptions){}), 0);
    assert_int_equal(target_open(&raced), 0);
    write_file("raced.txt");
    assert_int_equal(target_commit(&raced, 0), -EEXIST);
    target_clear(&raced);
    assert_true(exists("raced.txt.part"));
}

static void test_output(void **state _unused_) {
    _cleanup_(target_clear) Target into = {.fd = -EBADF}, device = {.fd = -EBADF};
    _cleanup_(target_clear) Target link = {.fd = -EBADF};
    _cleanup_free_ char *path = NULL;

    assert_int_equal(mkdir("sub", 0755), 0);
    assert_int_equal(target_init(&into, "a.txt", &(DownloadOptions){.output = "sub"}), 0);
    path = target_path(&into);
    assert_string_equal(path, "sub/a.txt");
    assert_int_equal(target_init(&device, "a", &(DownloadOptions){.output = "/dev/null"}), -EINVAL);
    assert_int_equal(symlink("victim", "link.part"), 0);
    assert_int_equal(target_init(&link, "a", &(DownloadOptions){.output = "link"}), 0);
    assert_int_equal(target_open(&link), -ELOOP);
    assert_false(exists("victim"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_file_name),
        cmocka_unit_test(test_commit),   cmocka_unit_test(test_discard),
        cmocka_unit_test(test_existing), cmocka_unit_test(test_output),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
