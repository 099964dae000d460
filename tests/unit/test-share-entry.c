// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "share/entry.h"
#include "share/write-file.h"
#include "test.h"

static char directory[] = "/tmp/p2pshare-entry-XXXXXX", config_path[64];

static int setup(void **state _unused_) {
    if (!mkdtemp(directory))
        return -1;
    snprintf(config_path, sizeof(config_path), "%s/p2pshare.ini", directory);
    return 0;
}

static int teardown(void **state _unused_) {
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void test_what_a_line_can_hold(void **state _unused_) {
    char longest[] = "/" TEXT_255;

    longest[180] = '\0';
    assert_null(entry_path_problem("/srv/images"));
    assert_null(entry_path_problem("/srv/ä b;c # = [x]"));
    assert_null(entry_path_problem(longest));
    longest[180] = 'a';
    longest[181] = '\0';
    assert_non_null(entry_path_problem(longest));
    assert_non_null(entry_path_problem("/srv/a\nb"));
    assert_non_null(entry_path_problem("/srv/a ;b"));
    assert_non_null(entry_path_problem("/srv/a "));
    assert_non_null(entry_path_problem("/srv/a /b"));
    assert_null(entry_path_problem("/srv/ a/b c"));
    assert_non_null(entry_path_problem("/srv/\xff"));
}

// Reading returns what was written, with its flags; each entry has its own file.
static void test_round_trip(void **state _unused_) {
    static const char *const paths[] = {"/srv/a b",         "/srv/a-b",        "/srv/a_b",
                                        "/srv/ä;c # = [x]", "/srv/\"quoted\"", "/srv/100%"};
    EntryList list;
    struct stat st;

    for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
        Entry entry;

        assert_int_equal(entry_list_load(config_path, false, &list), 0);
        assert_int_equal(list.n, i);
        assert_int_equal(entry_new(&list, config_path, paths[i], &entry), 0);
        assert_int_equal(entry_write(&entry), 0);
        assert_int_equal(stat(entry.file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(config_parse_list(NULL, "/srv", &entry.passes), 0);
        entry.tree = i % 2;
        entry.shown = !entry.tree;
        assert_int_equal(entry_write(&entry), 0);
        entry_clear(&entry);
        entry_list_clear(&list);
    }
    assert_int_equal(entry_list_load(config_path, false, &list), 0);
    assert_int_equal(list.n, ELEMENTSOF(paths));
    for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
        Entry *entry = entry_list_find(&list, paths[i]);

        assert_non_null(entry);
        assert_true(entry->ours);
        assert_int_equal(entry->tree, i % 2);
        assert_int_equal(entry->shown, !(i % 2));
        assert_int_equal(entry->passes.count, 1);
        assert_int_equal(entry_remove(entry), 0);
    }
    entry_list_clear(&list);
    assert_int_equal(entry_list_load(config_path, false, &list), 0);
    assert_int_equal(list.n, 0);
}

// Files of the administrator are read, and known as such.
static void test_files_of_others(void **state _unused_) {
    _cleanup_free_ char *name = NULL;
    EntryList list;
    Entry entry;
    FILE *file = fopen(config_path, "we");

    assert_non_null(file);
    fputs("[peer]\nft = x\n[share]\nexclude = *.tmp\npath = /srv/one/\npath = /srv/two\n", file);
    fclose(file);
    assert_int_equal(entry_list_load(config_path, false, &list), 0);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.entries[0].path, "/srv/one");
    assert_string_equal(list.entries[0].file, config_path);
    assert_false(list.entries[0].ours);
    // Our entry of the same path takes precedence.
    assert_int_equal(entry_new(&list, config_path, "/srv/one", &entry), 0);
    assert_int_equal(entry_write(&entry), 0);
    name = entry_name(&entry);
    assert_string_equal(name, "srv-one");
    entry_list_clear(&list);
    assert_int_equal(entry_list_load(config_path, false, &list), 0);
    assert_true(entry_list_find(&list, "/srv/one")->ours);
    assert_null(entry_list_find(&list, "/srv"));
    entry_list_clear(&list);
    entry_clear(&entry);
}

// A program that has the old file open can only write to that; and the umask has no effect.
static void test_files_are_new(void **state _unused_) {
    static const mode_t masks[] = {0, 0077};
    char path[sizeof(directory) + 16];
    struct stat st, old;

    for (size_t i = 0; i < ELEMENTSOF(masks); i++) {
        mode_t before = umask(masks[i]);
        _cleanup_close_ int fd = -EBADF;

        snprintf(path, sizeof(path), "%s/d%zu/f", directory, i);
        assert_int_equal(write_file(path, "old"), 0);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write_file(path, "new"), 0);
        umask(before);
        assert_int_equal(fstat(fd, &old), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(st.st_size, 3);
        assert_int_not_equal(st.st_ino, old.st_ino);
        assert_int_equal(old.st_nlink, 0);
    }
    assert_int_equal(write_file("/proc/no/file", "x"), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_line_can_hold),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_files_of_others),
        cmocka_unit_test(test_files_are_new),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
