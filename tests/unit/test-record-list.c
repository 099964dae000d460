// SPDX-License-Identifier: MIT

#include <stdio.h>

#include "proto/record.h"
#include "test.h"

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct Row {
    const char *proves, *text;
    size_t len;
    const char *pieces; // each behind a "|"
    // The expected syntax of the answer:
    bool spaced; // an input: fields are spaced
    bool brackets, one_pair;
    const char *separator;
} rows[] = {
    {"one pair each, comma", TEXT("<a, 1>, <b, 2>"), "|a, 1|b, 2", true, true, false, ", "},
    {"one pair each, tight comma", TEXT("<a,1>,<b,2>"), "|a,1|b,2", false, true, false, ","},
    {"one pair each, semicolon: an answer of the seed's authors is one pair", TEXT("<a,1>;<b,2>"),
     "|a,1|b,2", false, true, true, ";"},
    {"one pair for all", TEXT("<a,1;b,2>"), "|a,1|b,2", false, true, true, ";"},
    {"one pair for all, spaced", TEXT("<a, 1; b, 2>"), "|a, 1|b, 2", true, true, true, "; "},
    {"nothing between the pairs", TEXT("<a,1><b,2>"), "|a,1|b,2", false, true, false, ""},
    {"a space between the pairs", TEXT("<a,1> <b,2>"), "|a,1|b,2", false, true, false, " "},
    {"spaces on both sides", TEXT("<a,1> , <b,2>"), "|a,1|b,2", false, true, false, ", "},
    {"a bar", TEXT("<a,1> | <b,2>"), "|a,1|b,2", false, true, false, "| "},
    {"a line each: the answer is one line", TEXT("<a, 1>\n<b, 2>\n"), "|a, 1|b, 2", true, true,
     false, ", "},
    {"a line each, tight", TEXT("<a,1>\r\n<b,2>"), "|a,1|b,2", false, true, true, ";"},
    {"the first separator counts", TEXT("<a>,<b>;<c>"), "|a|b|c", false, true, false, ","},
    {"one, spaced", TEXT("<a, 1>"), "|a, 1", true, true, false, ", "},
    {"one, tight", TEXT("<a,1>"), "|a,1", false, true, true, ";"},
    {"bare lines", TEXT("a,1\nb,2\n"), "|a,1|b,2", false, false, false, ";"},
    {"bare CRLF lines", TEXT("a,1\r\nb,2\r\n"), "|a,1|b,2", false, false, false, ";"},
    {"bare, semicolon", TEXT("a, 1; b, 2"), "|a, 1|b, 2", true, false, false, "; "},
    {"bare, bar", TEXT("a,1|b,2"), "|a,1|b,2", false, false, false, "|"},
    {"bare, one", TEXT("a, 1"), "|a, 1", true, false, false, ";"},
    {"empty ones are skipped", TEXT("<>;< >;<a>;;<b;>"), "|a|b", false, true, true, ";"},
    {"text around pairs is not a record", TEXT("files: <a> and <b> !"), "|a|b", false, true, false,
     " "},
    {"a pair that is never closed", TEXT("<a>,<b"), "|a", false, true, false, ","},
    {"a control character is never echoed", TEXT("<a>\033<b>"), "|a|b", false, true, true, ";"},
    {"roots", TEXT("<a, 1, " ROOT ">, <b, 2, " ROOT ">"), "|a, 1, " ROOT "|b, 2, " ROOT, true, true,
     false, ", "},
    {"nothing", TEXT(""), "", false, false, false, ";"},
    {"only separators", TEXT(";;|\n"), "", false, false, false, ";"},
    {"NUL ends nothing", TEXT("<a\0b>,<c>"), "|a\0b|c", false, true, false, ","},
};

static void test_split(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        const struct Row *row = &rows[i];
        RecordList list = record_list(row->text, row->len);
        RecordSyntax syntax = {.spaced = row->spaced};
        char pieces[256] = "";
        size_t n = 0, len;
        const char *piece;

        ROW(row);
        while (record_list_next(&list, &piece, &len)) {
            pieces[n++] = '|';
            memcpy(pieces + n, piece, len);
            n += len;
        }
        assert_memory_equal(pieces, row->pieces, n);
        assert_string_equal(pieces, row->pieces);
        assert_false(record_list_next(&list, &piece, &len)); // stays at the end

        record_list_learn(&list, &syntax);
        assert_int_equal(syntax.brackets, row->brackets);
        assert_int_equal(syntax.one_pair, row->one_pair);
        assert_string_equal(syntax.list_separator, row->separator);
    }
}

static void test_null(void **state _unused_) {
    RecordList list = record_list(NULL, 0);
    const char *piece;
    size_t len;

    assert_false(record_list_next(&list, &piece, &len));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
