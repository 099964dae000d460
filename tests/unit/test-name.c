// SPDX-License-Identifier: MIT

#include "proto/name.h"
#include "test.h"

static const struct ValidRow {
    const char *proves, *name;
    size_t len;
    bool valid;
} valid_rows[] = {
    {"an ordinary name", TEXT("report.txt"), true},
    {"spaces, commas, brackets, percent", TEXT("a, <b>; 100%|c"), true},
    {"Unicode", TEXT("отчёт 文件"), true},
    {"255 bytes", TEXT(TEXT_255), true},
    {"256 bytes", TEXT(TEXT_255 "f"), false},
    {"nothing", TEXT(""), false},
    {"this folder", TEXT("."), false},
    {"the folder above", TEXT(".."), false},
    {"three dots are a name", TEXT("..."), true},
    {"a hidden file", TEXT(".profile"), true},
    {"a path", TEXT("a/b"), false},
    {"an absolute path", TEXT("/"), false},
    {"NUL", TEXT("a\0b"), false},
    {"newline", TEXT("a\nb"), false},
    {"DEL", TEXT("a\177"), false},
    {"C1", TEXT("a\xc2\x85"), false},
    {"not UTF-8", TEXT("a\xff"), false},
    {"Latin-1", TEXT("caf\xe9"), false},
    {"an overlong slash", TEXT("\xc0\xaf"), false},
};

static void test_name_is_valid(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(valid_rows); i++) {
        ROW(&valid_rows[i]);
        assert_int_equal(name_is_valid(valid_rows[i].name, valid_rows[i].len), valid_rows[i].valid);
    }
}

static const struct ValidRow type_rows[] = {
    {"an ordinary type", TEXT("txt"), true},
    {"digits", TEXT("7z"), true},
    {"only digits", TEXT("1"), true},
    {"32 bytes", TEXT("0123456789abcdef0123456789abcdef"), true},
    {"33 bytes", TEXT("0123456789abcdef0123456789abcdefX"), false},
    {"nothing", TEXT(""), false},
    {"a dot in front: which part of it is the type?", TEXT(".txt"), false},
    {"a dot inside", TEXT("tar.gz"), true},
    {"space", TEXT("a b"), false},
    {"path", TEXT("a/b"), false},
    {"comma", TEXT("a,b"), false},
    {"semicolon", TEXT("a;b"), false},
    {"bar", TEXT("a|b"), false},
    {"opening bracket", TEXT("a<b"), false},
    {"closing bracket", TEXT("a>b"), false},
    {"percent", TEXT("a%b"), false},
    {"NUL", TEXT("a\0b"), false},
    {"not ASCII", TEXT("é"), false},
};

static void test_type_is_valid(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(type_rows); i++) {
        ROW(&type_rows[i]);
        assert_int_equal(type_is_valid(type_rows[i].name, type_rows[i].len), type_rows[i].valid);
    }
}

static const struct SplitRow {
    const char *proves, *file_name, *name, *type;
} split_rows[] = {
    {"the extension", "report.txt", "report", "txt"},
    {"the last extension", "report.tar.gz", "report.tar", "gz"},
    {"case is kept", "REPORT.TXT", "REPORT", "TXT"},
    {"none", "README", "README", "file"},
    {"a hidden file has none", ".profile", ".profile", "file"},
    {"a hidden file with one", ".profile.bak", ".profile", "bak"},
    {"a dot at the end", "end.", "end.", "file"},
    {"what is no type stays in the name", "v1.2 final", "v1.2 final", "file"},
    {"an extension longer than 32 bytes", "a.0123456789abcdef0123456789abcdefX",
     "a.0123456789abcdef0123456789abcdefX", "file"},
    {"the rest would be \".\"", "..txt", "..txt", "file"},
    {"the rest would be \"..\"", "...txt", "...txt", "file"},
};

static void test_name_split(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(split_rows); i++) {
        const struct SplitRow *row = &split_rows[i];
        NameParts parts = name_split(row->file_name, strlen(row->file_name));

        ROW(row);
        assert_int_equal(parts.name_len, strlen(row->name));
        assert_memory_equal(row->file_name, row->name, parts.name_len);
        assert_int_equal(parts.type_len, strlen(row->type));
        assert_memory_equal(parts.type, row->type, parts.type_len);
    }
}

static const struct MatchRow {
    const char *proves, *name, *type, *file_name;
    bool matches;
} match_rows[] = {
    {"with extension", "report", "txt", "report.txt", true},
    {"without", "report", "txt", "report", true},
    {"case of the type does not matter", "report", "txt", "report.TXT", true},
    {"case of the name does", "report", "txt", "Report.txt", false},
    {"another type", "report", "txt", "report.pdf", false},
    {"a longer name", "report", "txt", "report2", false},
    {"a shorter name", "report", "txt", "repor", false},
    {"a name with a dot", "report.tar", "gz", "report.tar.gz", true},
    {"only part of its name", "report.tar", "gz", "report.gz", false},
};

static void test_name_matches(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(match_rows); i++) {
        const struct MatchRow *row = &match_rows[i];

        ROW(row);
        assert_int_equal(name_matches(row->name, row->type, row->file_name), row->matches);
    }
}

static void test_name_join(void **state _unused_) {
    char text[FILE_NAME_BYTES_MAX + 1];

    name_join("report", "txt", text);
    assert_string_equal(text, "report.txt");
    name_join("README", "file", text);
    assert_string_equal(text, "README");
    name_join(TEXT_255, "0123456789abcdef0123456789abcdef", text);
    assert_string_equal(text, TEXT_255 ".0123456789abcdef0123456789abcdef");
}

static const struct EncodeRow {
    const char *proves, *name, *in_message, *in_record;
} encode_rows[] = {
    {"nothing to do", "report", "report", "report"},
    {"a comma ends no record: it is parsed from its end", "a,b", "a,b", "a,b"},
    {"what ends a record", "<a>;b|c", "<a>;b|c", "%3Ca%3E%3Bb%7Cc"},
    {"a line end", "a\nb", "a%0Ab", "a%0Ab"},
    {"inner spaces stay, outer ones would be trimmed", " a b ", "%20a b%20", "%20a b%20"},
    {"only a space", " ", "%20", "%20"},
    {"a percent that nobody could take for a code", "100% %zz %4", "100% %zz %4", "100% %zz %4"},
    {"a percent that looks like a code", "%41", "%2541", "%2541"},
    {"a percent before a code of ours", "%<", "%<", "%%3C"},
    {"Unicode stays", "文", "文", "文"},
};

static void test_name_encode(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(encode_rows); i++) {
        const struct EncodeRow *row = &encode_rows[i];
        const char *expected[] = {row->in_message, row->in_record};

        ROW(row);
        for (int context = NAME_IN_MESSAGE; context <= NAME_IN_RECORD; context++) {
            char name[NAME_BYTES_MAX + 1];
            Buffer out = {};

            assert_int_equal(name_encode(&out, row->name, context), 0);
            assert_int_equal(out.size, strlen(expected[context]));
            assert_memory_equal(buffer_data(&out), expected[context], out.size);
            // It must read back.
            assert_int_equal(name_decode(buffer_data(&out), out.size, name, sizeof(name)),
                             strlen(row->name));
            assert_string_equal(name, row->name);
            buffer_clear(&out);
        }
    }
}

static const struct DecodeRow {
    const char *proves, *text, *name;
    int len;
} decode_rows[] = {
    {"lower case digits", "%3c%3E", "<>", 2},
    {"a lone percent", "100%", "100%", 4},
    {"one digit", "%4", "%4", 2},
    {"no digits", "%zz", "%zz", 3},
    {"each code once only", "%2541", "%41", 3},
    {"UTF-8", "%C3%A9", "é", 2},
    {"NUL is for name_is_valid() to refuse", "%00", "", 1},
};

static void test_name_decode(void **state _unused_) {
    char out[NAME_BYTES_MAX + 1], small[4];

    for (size_t i = 0; i < ELEMENTSOF(decode_rows); i++) {
        const struct DecodeRow *row = &decode_rows[i];

        ROW(row);
        assert_int_equal(name_decode(row->text, strlen(row->text), out, sizeof(out)), row->len);
        assert_string_equal(out, row->name);
    }
    assert_int_equal(name_decode("%41", 2, out, sizeof(out)), 2); // never past the end
    assert_string_equal(out, "%4");
    assert_int_equal(name_decode("abc", 3, small, sizeof(small)), 3);
    assert_int_equal(name_decode("abcd", 4, small, sizeof(small)), -ENAMETOOLONG);
    assert_int_equal(name_decode("%41%42%43", 9, small, sizeof(small)), 3); // decoded bytes count
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_is_valid), cmocka_unit_test(test_type_is_valid),
        cmocka_unit_test(test_name_split),    cmocka_unit_test(test_name_matches),
        cmocka_unit_test(test_name_join),     cmocka_unit_test(test_name_encode),
        cmocka_unit_test(test_name_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
