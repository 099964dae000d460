// SPDX-License-Identifier: MIT

#include "test.h"
#include "util/text.h"

static const struct Row {
    const char *proves, *text;
    size_t len;
    bool utf8, control;
    const char *escaped;
} rows[] = {
    {"ASCII", TEXT("report.txt"), true, false, "report.txt"},
    {"empty", TEXT(""), true, false, ""},
    {"two, three and four bytes", TEXT("é文😀"), true, false, "é文😀"},
    {"NUL", TEXT("a\0b"), false, true, "a\\x00b"},
    {"newline", TEXT("a\nb"), true, true, "a\\x0ab"},
    {"a terminal's escape", TEXT("\033[2J"), true, true, "\\x1b[2J"},
    {"DEL", TEXT("\177"), true, true, "\\x7f"},
    {"the C1 control CSI, in UTF-8", TEXT("\xc2\x9b"), true, true, "\\xc2\\x9b"},
    {"the C1 control CSI, as a bare byte", TEXT("\x9b"), false, true, "\\x9b"},
    {"the last C1 control", TEXT("\xc2\x9f"), true, true, "\\xc2\\x9f"},
    {"what follows C1 is none", TEXT("\xc2\xa0"), true, false, "\xc2\xa0"},
    {"a bidirectional override", TEXT("\xe2\x80\xae"), true, false, "\\xe2\\x80\\xae"},
    {"a bidirectional isolate", TEXT("\xe2\x81\xa6"), true, false, "\\xe2\\x81\\xa6"},
    {"a backslash, or an escape could be faked", TEXT("\\x41"), true, false, "\\x5cx41"},
    {"a cut sequence", TEXT("a\xe6\x96"), false, true, "a\\xe6\\x96"},
    {"overlong slash", TEXT("\xc0\xaf"), false, false, "\\xc0\\xaf"},
    {"a surrogate", TEXT("\xed\xa0\x80"), false, true, "\\xed\\xa0\\x80"},
    {"beyond Unicode", TEXT("\xf4\x90\x80\x80"), false, true, "\\xf4\\x90\\x80\\x80"},
    {"0xff", TEXT("\xff"), false, false, "\\xff"},
};

static void test_table(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_free_ char *escaped = text_escape(rows[i].text, rows[i].len);

        ROW(&rows[i]);
        assert_int_equal(text_is_utf8(rows[i].text, rows[i].len), rows[i].utf8);
        assert_int_equal(text_has_control(rows[i].text, rows[i].len), rows[i].control);
        assert_string_equal(escaped, rows[i].escaped);
    }
}

// An empty Buffer has a NULL pointer instead of text.
static void test_null(void **state _unused_) {
    _cleanup_free_ char *escaped = text_escape(NULL, 0);

    assert_true(text_is_utf8(NULL, 0));
    assert_false(text_has_control(NULL, 0));
    assert_string_equal(escaped, "");
}

static const struct WidthRow {
    const char *proves, *text;
    size_t width;
    size_t columns, prefix; // text_prefix(text, columns) == prefix
} width_rows[] = {
    {"one column each", "abc", 3, 2, 2},
    {"all fits", "abc", 3, 9, 3},
    {"nothing fits", "abc", 3, 0, 0},
    {"wide characters take two columns", "文件", 4, 2, 3},
    {"and are never halved", "文件", 4, 3, 3},
    {"an accent belongs to its letter", "e\xcc\x81x", 2, 1, 3},
    {"empty", "", 0, 5, 0},
};

static void test_width(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(width_rows); i++) {
        const struct WidthRow *row = &width_rows[i];

        ROW(row);
        assert_int_equal(text_width(row->text), row->width);
        assert_int_equal(text_prefix(row->text, row->columns), row->prefix);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
