// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "test.h"
#include "util/fs-util.h"

// root/ has shared/ (which may be opened) and secret (which may not).
static char root[] = "/tmp/p2pshare-fs-XXXXXX";
static int root_fd = -EBADF, shared_fd = -EBADF;

static void make_file(const char *path) {
    int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static int setup(void **state _unused_) {
    char secret[64];

    assert_non_null(mkdtemp(root));
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(root_fd >= 0);
    snprintf(secret, sizeof(secret), "%s/secret", root);
    assert_int_equal(mkdirat(root_fd, "shared", 0700), 0);
    assert_int_equal(mkdirat(root_fd, "shared/sub", 0700), 0);
    make_file("secret");
    make_file("shared/a.txt");
    make_file("shared/sub/b.txt");
    assert_int_equal(symlinkat("a.txt", root_fd, "shared/inside"), 0);
    assert_int_equal(symlinkat("../secret", root_fd, "shared/outside"), 0);
    assert_int_equal(symlinkat(secret, root_fd, "shared/absolute"), 0);
    assert_int_equal(symlinkat("..", root_fd, "shared/up"), 0);
    assert_int_equal(symlinkat("loop", root_fd, "shared/loop"), 0);
    shared_fd = openat(root_fd, "shared", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return shared_fd >= 0 ? 0 : -1;
}

static int teardown(void **state _unused_) {
    static const char *const files[] = {"secret",        "shared/a.txt",   "shared/sub/b.txt",
                                        "shared/inside", "shared/outside", "shared/absolute",
                                        "shared/up",     "shared/loop",    "shared/new"};

    for (size_t i = 0; i < ELEMENTSOF(files); i++)
        unlinkat(root_fd, files[i], 0);
    unlinkat(root_fd, "shared/sub", AT_REMOVEDIR);
    unlinkat(root_fd, "shared", AT_REMOVEDIR);
    close(shared_fd);
    close(root_fd);
    return rmdir(root);
}

static const struct Row {
    const char *proves, *path;
    int result; // 0: opens
} rows[] = {
    {"a file", "a.txt", 0},
    {"a file in a folder", "sub/b.txt", 0},
    {".. that stays inside", "sub/../a.txt", 0},
    {"a symlink that stays inside", "inside", -ELOOP},
    {"..", "..", -EXDEV},
    {".. to a file", "../secret", -EXDEV},
    {"out and in again", "../shared/a.txt", -EXDEV},
    {"a symlink to outside", "outside", -ELOOP},
    {"an absolute symlink", "absolute", -ELOOP},
    {"a folder that is a symlink to outside", "up/secret", -ELOOP},
    {"an absolute path", "/etc/passwd", -EXDEV},
    {"a symlink to itself", "loop", -ELOOP},
    {"what is not there", "missing", -ENOENT},
    {"nothing", "", -ENOENT},
};

static void test_open_beneath(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        int fd = open_beneath(shared_fd, rows[i].path, O_RDONLY, 0);

        ROW(&rows[i]);
        if (rows[i].result < 0)
            assert_int_equal(fd, rows[i].result);
        else {
            assert_true(fd >= 0);
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            close(fd);
        }
    }
}

// /proc/self/fd/N is a magic link: it jumps, so a path lookup cannot check it.
static void test_magic_link(void **state _unused_) {
    char name[32];
    int proc, fd;

    proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(proc >= 0);
    snprintf(name, sizeof(name), "%d", root_fd);
    fd = open_beneath(proc, name, O_RDONLY, 0);
    assert_true(fd == -ELOOP || fd == -EXDEV);
    close(proc);
}

static void test_create(void **state _unused_) {
    int fd;

    fd = open_beneath(shared_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_beneath(shared_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600), -EEXIST);
    assert_int_equal(open_beneath(shared_fd, "../new", O_WRONLY | O_CREAT, 0600), -EXDEV);
}

static void test_free_space(void **state _unused_) {
    uint64_t available = 0;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(check_free_space(fd, 0, &available), 0);
    assert_true(available > 0);
    assert_int_equal(check_free_space(fd, UINT64_MAX, &available), -ENOSPC);
    close(fd);
    assert_int_equal(check_free_space(-1, 0, &available), -EBADF);
}

// Links owned by root or this user are followed anywhere in the path. Others are not.
static void test_open_trusted(void **state _unused_) {
    static const struct {
        const char *proves, *path, *real;
        int result;
        uid_t owner; // of the link
    } table[] = {
        {"no link", "shared/sub/b.txt", "shared/sub/b.txt", 0, 0},
        {"slashes", "shared//sub/", "shared/sub", 0, 0},
        {"a link at the end", "trusted/file", "shared/a.txt", 0, 0},
        {"an absolute link", "trusted/absolute", "secret", 0, 0},
        {"on the way", "trusted/up/shared/a.txt", "shared/a.txt", 0, 0},
        {"links to links", "trusted/up/trusted/file", "shared/a.txt", 0, 0},
        {"for ever", "shared/loop", NULL, -ELOOP, 0},
        {"leads nowhere", "trusted/nowhere", NULL, -ENOENT, 0},
        {"of somebody else", "trusted/file", NULL, -ENOLINK, 65534},
        {"on the way, of somebody else", "trusted/up/secret", NULL, -ENOLINK, 65534},
        {"behind one of our own", "trusted/via/sub/b.txt", NULL, -ENOLINK, 65534},
        {"behind one that has been followed", "shared/up/trusted/file", NULL, -ENOLINK, 65534},
        {"none on the way", "trusted", "trusted", 0, 65534},
    };
    static const char *const links[][2] = {
        {"trusted/file", "../shared/a.txt"},
        {"trusted/up", ".."},
        {"trusted/via", "up/shared"},
        {"trusted/nowhere", "not/there"},
    };
    char path[PATH_MAX], expected[PATH_MAX];

    assert_int_equal(mkdirat(root_fd, "trusted", 0755), 0);
    for (size_t i = 0; i < ELEMENTSOF(links); i++)
        assert_int_equal(symlinkat(links[i][1], root_fd, links[i][0]), 0);
    snprintf(path, sizeof(path), "%s/secret", root);
    assert_int_equal(symlinkat(path, root_fd, "trusted/absolute"), 0);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        const uid_t owner = table[i].owner ?: geteuid();
        char *real = NULL;
        int fd;

        ROW(&table[i]);
        if (table[i].owner != 0 && geteuid() != 0)
            continue; // only root can change a link's owner
        assert_int_equal(fchownat(root_fd, "trusted/file", owner, -1, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(fchownat(root_fd, "trusted/up", owner, -1, AT_SYMLINK_NOFOLLOW), 0);
        snprintf(path, sizeof(path), "%s/%s", root, table[i].path);
        fd = open_trusted(path, O_PATH, &real);
        if (table[i].result < 0) {
            assert_int_equal(fd, table[i].result);
            assert_null(real);
            continue;
        }
        assert_true(fd >= 0);
        snprintf(expected, sizeof(expected), "%s/%s", root, table[i].real);
        assert_string_equal(real, expected);
        free(real);
        close(fd);
    }
    for (size_t i = 0; i < ELEMENTSOF(links); i++)
        assert_int_equal(unlinkat(root_fd, links[i][0], 0), 0);
    assert_int_equal(unlinkat(root_fd, "trusted/absolute", 0), 0);
    assert_int_equal(unlinkat(root_fd, "trusted", AT_REMOVEDIR), 0);
}

// Runs as a user who may not open everything, because root may.
static void test_examine(void **state _unused_) {
    static const struct {
        const char *proves, *path, *component;
        int result;
    } table[] = {
        {"a directory", "shared", NULL, 0},
        {"a file", "shared/a.txt", NULL, 0},
        {"slashes", "shared//sub/", NULL, 0},
        {"not there", "shared/no/more", "shared/no", -ENOENT},
        {"a file is no directory", "shared/a.txt/more", "shared/a.txt/more", -ENOTDIR},
        {"a link is followed", "shared/inside", NULL, 0},
        {"for ever", "shared/loop", "shared/loop", -ELOOP},
        {"neither", "fifo", "fifo", -EINVAL},
        {"no x", "no-pass/file", "no-pass", -EACCES},
        {"x, and not r", "no-list", "no-list", -EACCES},
        {"r, and not x", "no-pass", "no-pass", -EACCES},
        {"below x alone", "no-list/file", NULL, 0},
        {"a file that is not readable", "no-list/secret", "no-list/secret", -EACCES},
    };
    _cleanup_free_ char *component = NULL;
    char path[128], expected[128];

    assert_int_equal(mkdirat(root_fd, "no-pass", 0744), 0);
    assert_int_equal(mkdirat(root_fd, "no-list", 0711), 0);
    assert_int_equal(mkfifoat(root_fd, "fifo", 0644), 0);
    make_file("no-pass/file");
    make_file("no-list/file");
    make_file("no-list/secret");
    assert_int_equal(fchmodat(root_fd, "no-list/file", 0644, 0), 0);
    assert_int_equal(fchmodat(root_fd, "shared", 0755, 0), 0);
    assert_int_equal(fchmodat(root_fd, "shared/sub", 0755, 0), 0);
    assert_int_equal(fchmodat(root_fd, "shared/a.txt", 0644, 0), 0);
    assert_int_equal(chmod(root, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        bool own = getuid() != 0 && table[i].result == -EACCES; // an owner may, as created here

        ROW(&table[i]);
        snprintf(path, sizeof(path), "%s/%s", root, table[i].path);
        free(TAKE_PTR(component));
        if (own)
            continue;
        assert_int_equal(examine_path(path, &component), table[i].result);
        snprintf(expected, sizeof(expected), "%s/%s", root, table[i].component ?: "");
        if (table[i].component)
            assert_string_equal(component, expected);
        else
            assert_null(component);
    }
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    free(TAKE_PTR(component));
    assert_int_equal(examine_path("/", &component), 0);
    unlinkat(root_fd, "no-pass/file", 0);
    unlinkat(root_fd, "no-list/file", 0);
    unlinkat(root_fd, "no-list/secret", 0);
    unlinkat(root_fd, "fifo", 0);
    unlinkat(root_fd, "no-pass", AT_REMOVEDIR);
    unlinkat(root_fd, "no-list", AT_REMOVEDIR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_beneath), cmocka_unit_test(test_magic_link),
        cmocka_unit_test(test_create),       cmocka_unit_test(test_free_space),
        cmocka_unit_test(test_examine),      cmocka_unit_test(test_open_trusted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
