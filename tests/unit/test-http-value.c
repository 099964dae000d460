// SPDX-License-Identifier: MIT

#include "proto/http-value.h"
#include "test.h"

static HttpText text(const char *string) {
    return (HttpText){string, strlen(string)};
}

static const struct RangeRow {
    const char *value;
    uint64_t size;
    HttpRange result;
    uint64_t first, last;
} range_rows[] = {
    {"bytes=0-0", 10, HTTP_RANGE_PART, 0, 0},
    {"bytes=2-5", 10, HTTP_RANGE_PART, 2, 5},
    {"bytes=2-", 10, HTTP_RANGE_PART, 2, 9},
    {"bytes=-3", 10, HTTP_RANGE_PART, 7, 9},
    {"Bytes=0-9", 10, HTTP_RANGE_PART, 0, 9},
    {"bytes= 0-9", 10, HTTP_RANGE_PART, 0, 9},
    // A range that exceeds the end is cut.
    {"bytes=5-10", 10, HTTP_RANGE_PART, 5, 9},
    {"bytes=0-99999999999999999999999999", 10, HTTP_RANGE_PART, 0, 9},
    {"bytes=-11", 10, HTTP_RANGE_PART, 0, 9},
    {"bytes=-99999999999999999999999999", 10, HTTP_RANGE_PART, 0, 9},
    // A range behind the end cannot be satisfied.
    {"bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=10-20", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=99999999999999999999999999-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-1", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    // Invalid and unsupported ranges are ignored.
    {"bytes=5-4", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=0-1,4-5", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=-", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=5", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=a-b", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=1-2x", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=+1-2", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes=--1", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"bytes 0-1", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"records=0-1", 10, HTTP_RANGE_WHOLE, 0, 0},
    {"", 10, HTTP_RANGE_WHOLE, 0, 0},
};

static void test_range(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(range_rows); i++) {
        const struct RangeRow *row = &range_rows[i];
        uint64_t first = 0, last = 0;

        print_message("  %s\n", row->value);
        assert_int_equal(http_parse_range(text(row->value), row->size, &first, &last), row->result);
        assert_int_equal(first, row->first);
        assert_int_equal(last, row->last);
    }
}

static void test_content_range(void **state _unused_) {
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes 0-9",
        "bytes 0-9/",
        "bytes 0-9/*",
        "bytes */10",
        "bytes 5-4/10",
        "bytes 0-10/10",
        "bytes -5/10",
        "bytes 0-/10",
        "0-9/10",
        "bytes=0-9/10",
        "bytes 0-9/10x",
        "bytes  0-9/10",
        "bytes 0-18446744073709551616/18446744073709551617",
    };
    uint64_t first, last, size;

    assert_int_equal(http_parse_content_range(text("bytes 2-9/10"), &first, &last, &size), 0);
    assert_int_equal(first, 2);
    assert_int_equal(last, 9);
    assert_int_equal(size, 10);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        print_message("  %s\n", bad[i]);
        assert_int_equal(http_parse_content_range(text(bad[i]), &first, &last, &size), -EBADMSG);
    }
}

static void test_list(void **state _unused_) {
    HttpText rest = text(" a,, b\t,,c d , "), element;

    assert_true(http_list_next(&rest, &element));
    assert_true(http_text_equal(element, "a"));
    assert_true(http_list_next(&rest, &element));
    assert_true(http_text_equal(element, "b"));
    assert_true(http_list_next(&rest, &element));
    assert_true(http_text_equal(element, "c d"));
    assert_false(http_list_next(&rest, &element));
}

static void test_etag(void **state _unused_) {
    assert_true(http_etag_in_list(text("\"ab\""), "\"ab\""));
    assert_true(http_etag_in_list(text("\"x\", W/\"ab\""), "\"ab\""));
    assert_true(http_etag_in_list(text("*"), "\"ab\""));
    assert_false(http_etag_in_list(text("ab"), "\"ab\""));
    assert_false(http_etag_in_list(text("\"abc\", \"a\""), "\"ab\""));
    assert_false(http_etag_in_list(text(""), "\"ab\""));
}

static void test_target(void **state _unused_) {
    static const struct {
        const char *target, *path;
    } rows[] = {
        {"/", "/"},
        {"/file/a%20b", "/file/a b"},
        {"/a%2fb%C3%BC", "/a/b\xc3\xbc"},
        {"/a?b/c", "/a"},
        {"/a%3Fb?c", "/a?b"},
        {"http://host:1/a", "/a"},
        {"HTTP://[::1]:1/a?b", "/a"},
    };
    static const char *const bad[] = {
        "*",  "a",   "%2Fa", "host:1", "http://host", "https://host/a",
        "/%", "/%1", "/%0g", "/%00",   "?",
    };
    char path[16];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        print_message("  %s\n", rows[i].target);
        assert_int_equal(http_target_path(text(rows[i].target), path, sizeof(path)),
                         strlen(rows[i].path));
        assert_string_equal(path, rows[i].path);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        print_message("  %s\n", bad[i]);
        assert_int_equal(http_target_path(text(bad[i]), path, sizeof(path)), -EBADMSG);
    }
    assert_int_equal(http_target_path(text("/23456789abcdef"), path, sizeof(path)), 15);
    assert_int_equal(http_target_path(text("/23456789abcdef0"), path, sizeof(path)), -ENOBUFS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),  cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_list),   cmocka_unit_test(test_etag),
        cmocka_unit_test(test_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
