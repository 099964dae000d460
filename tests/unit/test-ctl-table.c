// SPDX-License-Identifier: MIT

// Tables: alignment, which column is cut first, and that no cell reaches a terminal unescaped.

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "ctl/table.h"
#include "util/text.h"

static const Column columns[] = {
    {"NAME", false, 1, 6},
    {"SIZE", true, 0, 0},
    {"WHY", false, 2, 5},
};

static char *print(Table *table, size_t width, bool legend) {
    const TableStyle style = {
        .width = width,
        .legend = legend,
        .utf8 = true,
        .title_begin = "",
        .title_end = "",
    };
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    assert_int_equal(table_print(table, &style, file), 0);
    fclose(file);
    return text;
}

static Table *example(void) {
    Table *table = table_new(columns, ELEMENTSOF(columns));

    assert_non_null(table);
    table_add(table, "image-of-a-disk");
    table_add_size(table, UINT64_C(4) << 30);
    table_add(table, "none of yours");
    table_add(table, "a");
    table_add_size(table, 11);
    table_add(table, "");
    assert_int_equal(table_rows(table), 2);
    return table;
}

static void test_any_width(void **state _unused_) {
    _cleanup_(table_freep) Table *table = example();
    _cleanup_free_ char *text = print(table, 0, true);

    assert_string_equal(text, "NAME                SIZE  WHY\n"
                              "image-of-a-disk  4.0 GiB  none of yours\n"
                              "a                 11 B    \n");
}

// The reason is cut first, then the name, but never the size.
static void test_cut(void **state _unused_) {
    _cleanup_(table_freep) Table *table = example();
    _cleanup_free_ char *text = print(table, 36, false), *narrow = print(table, 22, false);

    assert_string_equal(text, "image-of-a-disk  4.0 GiB  none of y…\n"
                              "a                 11 B    \n");
    assert_string_equal(narrow, "image…  4.0 GiB  none…\n"
                                "a        11 B    \n");
}

// A narrow terminal never makes a row wider than the least widths of its columns.
static void test_every_width(void **state _unused_) {
    for (size_t width = 1; width < 60; width++) {
        _cleanup_(table_freep) Table *table = example();
        _cleanup_free_ char *text = print(table, width, true);

        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            assert_in_range(text_width(line), 0, MAX(width, (size_t)22));
    }
}

static void test_strangers(void **state _unused_) {
    _cleanup_(table_freep) Table *table = table_new(columns, 1);
    _cleanup_free_ char *text = NULL;

    assert_non_null(table);
    table_add(table, "a\033[2Jb\nc");
    table_add(table, "日本語の名前"); // two columns per character, so one column stays free
    text = print(table, 8, false);
    assert_string_equal(text, "a\\x1b[2…\n日本語…\n");
}

// The end of a path says most. How much of it stays does not depend on where a wide character is.
static void test_middle(void **state _unused_) {
    static const Column paths[] = {{"FILE", false, 1, 6, true}, {"SIZE", true, 0, 0}};

    for (size_t width = 1; width < 40; width++) {
        _cleanup_(table_freep) Table *table = table_new(paths, ELEMENTSOF(paths));
        _cleanup_free_ char *text = NULL;

        assert_non_null(table);
        table_add(table, "/srv/日本語/の/名前/a.txt");
        table_add(table, "1");
        table_add(table, "/srv/share/some/where/b.txt");
        table_add(table, "2");
        text = print(table, width, true);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            assert_in_range(text_width(line), 0, MAX(width, (size_t)12));
        if (width == 24)
            assert_string_equal(text + strlen(text) + 1, "/srv/…/名前/a.txt      1");
    }
}

static Table *noted(void) {
    static const Column paths[] = {{"FILE", false, 1, 10, true}, {"STATE", false, 0, 0}};
    Table *table = table_new(paths, ELEMENTSOF(paths));

    assert_non_null(table);
    table_add(table, "/srv/share/some/where/a.txt");
    table_add(table, "published");
    table_add(table, "/srv/share/some/where/b.txt");
    table_add(table, "not published:");
    table_add_note(table, "nobody can read it\n");
    table_add(table, "c");
    table_add(table, "");
    table_add_note(table, "so");
    return table;
}

// A note is complete, next to its row or below it.
static void test_notes(void **state _unused_) {
    _cleanup_(table_freep) Table *table = noted();
    _cleanup_free_ char *all = print(table, 0, false), *some = print(table, 45, false),
                        *narrow = print(table, 20, false);
    const char *rows = "/srv/share/some/where/a.txt  published\n"
                       "/srv/share/some/where/b.txt  not published:";

    assert_int_equal(table_full_width(table), 27 + 2 + 14 + 1 + 22);
    assert_true(strncmp(all, rows, strlen(rows)) == 0);
    assert_string_equal(all + strlen(rows), " nobody can read it\\x0a\n"
                                            "c                            so\n");
    assert_true(strncmp(some, rows, strlen(rows)) == 0);
    assert_string_equal(some + strlen(rows), "\n    nobody can read it\\x0a\n"
                                             "c                            so\n");
    assert_string_equal(narrow, "/sr…/a.txt  published\n"
                                "/sr…/b.txt  not published:\n"
                                "    nobody can read\n"
                                "    it\\x0a\n"
                                "c           so\n");
}

// Lines break a long note, and lose nothing of it.
static void test_narrow_notes(void **state _unused_) {
    for (size_t width = 1; width < 40; width++) {
        _cleanup_(table_freep) Table *table = table_new(columns, 1);
        _cleanup_free_ char *text = NULL;
        char together[64] = "";

        assert_non_null(table);
        table_add(table, "abcdef");
        table_add_note(table, "one-長い-word and two");
        text = print(table, width, false);
        for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n"))
            strcat(together, word);
        assert_string_equal(together, "abcdefone-長い-wordandtwo");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_width),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_every_width),  cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_middle),       cmocka_unit_test(test_notes),
        cmocka_unit_test(test_narrow_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
