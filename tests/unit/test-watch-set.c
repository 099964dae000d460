// SPDX-License-Identifier: MIT

// Which events of real directories are about what a walk would see.

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "peer/shares/watch-set.h"

static char dir[] = "/tmp/test-watch-set.XXXXXX";
static int fd = -1;

static int set_up(void **state _unused_) {
    fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return fd >= 0 && mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *name, const struct stat *st _unused_, int flag _unused_,
                      struct FTW *ftw _unused_) {
    return remove(name);
}

static int tear_down(void **state _unused_) {
    close(fd);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path(const char *relative) {
    static char text[512];

    snprintf(text, sizeof(text), "%s/%s", dir, relative);
    return text;
}

static void touch(const char *relative) {
    int file = open(path(relative), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(file >= 0);
    close(file);
}

// Whether any event since the last call concerns the set.
static bool concerned(const WatchSet *set) {
    alignas(struct inotify_event) char buffer[65536];
    ssize_t n = read(fd, buffer, sizeof(buffer));
    bool concerns = false;

    for (const char *p = buffer; n > 0 && p < buffer + n;) {
        const struct inotify_event *event = (const void *)p;

        concerns = watch_set_concerns(set, event) || concerns;
        p += sizeof(*event) + event->len;
    }
    return concerns;
}

static void test_directory(void **state _unused_) {
    _cleanup_(watch_set_freep) WatchSet *set = NULL;

    mkdir(path("whole"), 0755);
    assert_int_equal(watch_set_new(fd, &set), 0);
    watch_set_add(set, path("whole"));
    watch_set_replace(set, NULL);
    assert_int_equal(watch_set_error(set), 0);
    assert_false(concerned(set));
    touch("whole/.hidden");
    touch("whole/film.mkv.part");
    assert_false(concerned(set));
    touch("whole/film.mkv");
    assert_true(concerned(set));
    chmod(path("whole/film.mkv"), 0600);
    assert_true(concerned(set));
    mkdir(path("whole/sub"), 0755);
    assert_true(concerned(set));
    unlink(path("whole/film.mkv"));
    assert_true(concerned(set));
    assert_false(concerned(set));
    rmdir(path("whole/sub"));
    unlink(path("whole/.hidden"));
    unlink(path("whole/film.mkv.part"));
    (void)concerned(set);
    rmdir(path("whole"));
    assert_true(concerned(set));
}

// Of a file that was configured itself, only its own name counts, hidden or not.
static void test_name(void **state _unused_) {
    _cleanup_(watch_set_freep) WatchSet *set = NULL;

    mkdir(path("single"), 0755);
    touch("single/.profile");
    assert_int_equal(watch_set_new(fd, &set), 0);
    watch_set_add_name(set, path("single/.profile"));
    watch_set_replace(set, NULL);
    touch("single/other.txt");
    assert_false(concerned(set));
    touch("single/.profile");
    assert_true(concerned(set));
}

// What is configured and missing is waited for, wherever its path ends so far.
static void test_missing(void **state _unused_) {
    _cleanup_(watch_set_freep) WatchSet *set = NULL;

    assert_int_equal(watch_set_new(fd, &set), 0);
    watch_set_add_name(set, path("disk/music/album.flac"));
    watch_set_replace(set, NULL);
    assert_int_equal(watch_set_error(set), 0);
    mkdir(path("other"), 0755);
    assert_false(concerned(set));
    mkdir(path("disk"), 0755);
    assert_true(concerned(set));
}

static void test_replace(void **state _unused_) {
    _cleanup_(watch_set_freep) WatchSet *first = NULL, *second = NULL;

    mkdir(path("kept"), 0755);
    mkdir(path("dropped"), 0755);
    assert_int_equal(watch_set_new(fd, &first), 0);
    watch_set_add(first, path("dropped"));
    watch_set_add(first, path("kept"));
    watch_set_replace(first, NULL);
    (void)concerned(first); // what earlier tests watch, too
    assert_int_equal(watch_set_new(fd, &second), 0);
    watch_set_add(second, path("kept"));
    watch_set_replace(second, first);
    // That a watch goes is no news.
    assert_false(concerned(second));
    touch("dropped/a");
    assert_false(concerned(second));
    touch("kept/a");
    assert_true(concerned(second));
}

static void test_no_inotify(void **state _unused_) {
    _cleanup_(watch_set_freep) WatchSet *set = NULL;

    assert_int_equal(watch_set_new(-ENOSYS, &set), 0);
    watch_set_add(set, dir);
    watch_set_add_name(set, dir);
    assert_int_equal(watch_set_error(set), ENOSYS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory),  cmocka_unit_test(test_name),
        cmocka_unit_test(test_missing),    cmocka_unit_test(test_replace),
        cmocka_unit_test(test_no_inotify),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
