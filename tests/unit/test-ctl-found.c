// SPDX-License-Identifier: MIT

// Results of a search: which records are one file, and which of them a download may use.

#include <stdlib.h>

#include "test.h"

#include "ctl/choose.h"
#include "ctl/found.h"

// A root that begins with these hex digits, and ends in zeros.
static MerkleHash root(const char *digits) {
    char text[MERKLE_TEXT_BYTES + 1];
    MerkleHash hash;

    memset(text, '0', MERKLE_TEXT_BYTES);
    text[MERKLE_TEXT_BYTES] = '\0';
    memcpy(text, digits, strlen(digits));
    assert_int_equal(merkle_hash_parse(text, MERKLE_TEXT_BYTES, &hash), 0);
    return hash;
}

static Found record(const char *name, const char *type, uint64_t size, uint16_t port,
                    const char *digits) {
    return (Found){
        .name = name,
        .type = type,
        .modified = port == 2 ? "2026-09-07" : "2026-09-06",
        .address = "192.0.2.9",
        .size = size,
        .port = port,
        .has_root = digits,
        .root = digits ? root(digits) : (MerkleHash){},
    };
}

// A list of the records before the first one without a name.
static FoundList list_of(const Found *records) {
    FoundList list = {};

    while (records[list.n].name)
        list.n++;
    list.records = calloc(list.n + 1, sizeof(*records));
    assert_non_null(list.records);
    memcpy(list.records, records, list.n * sizeof(*records));
    return list;
}

static void test_group(void **state _unused_) {
    const Found records[] = {
        record("a", "iso", 9, 1, "03bb5e90"),
        record("a", "iso", 9, 3, NULL),
        record("a", "iso", 9, 1, "9f2c81d4"),
        record("a", "iso", 9, 2, "9f2c81d4"),
        record("a", "iso", 9, 2, "9f2c81d4"),
        record("a", "iso", 8, 4, NULL),
        {},
    };
    _cleanup_(found_list_clear) FoundList found = list_of(records);
    _cleanup_(file_list_clear) FileList files = {};
    char text[MERKLE_TEXT_BYTES + 1];

    assert_int_equal(found_group(&found, &files), 0);
    assert_int_equal(files.n, 4);
    // Most sources first; a peer with two records counts once.
    assert_int_equal(files.files[0].n_records, 3);
    assert_int_equal(files.files[0].n_sources, 2);
    assert_string_equal(files.files[0].modified, "2026-09-07");
    file_format_root(&files.files[0], file_list_root_digits(&files), text);
    assert_string_equal(text, "9f2c81d4");
    assert_false(file_list_is_another(&files, 0));
    for (size_t i = 1; i < files.n; i++) {
        const Found *first = files.files[i].first;

        // Without a root, it may be the other file of that size
        assert_true(file_list_is_another(&files, i) == (first->has_root || first->size == 8));
        file_format_root(&files.files[i], ROOT_DIGITS_MIN, text);
        assert_string_equal(text, first->has_root ? "03bb5e90" : "-");
    }
    assert_int_equal(found_count_peers(&found), 4);
    assert_int_equal(file_list_count_different(&files), 4);
}

static void test_digits(void **state _unused_) {
    const Found records[] = {
        record("a", "iso", 9, 1, "9f2c81d4aa0"),
        record("a", "iso", 9, 1, "9f2c81d4aa1"),
        record("b", "iso", 9, 1, "9f2c81d4aa1"), // the same file under another name
        {},
    };
    _cleanup_(found_list_clear) FoundList found = list_of(records);
    _cleanup_(file_list_clear) FileList files = {};
    char text[MERKLE_TEXT_BYTES + 1];

    assert_int_equal(found_group(&found, &files), 0);
    assert_int_equal(file_list_root_digits(&files), 11);
    file_format_root(&files.files[2], 11, text);
    assert_string_equal(text, "9f2c81d4aa1");
    assert_int_equal(file_list_count_different(&files), 2);
}

static void test_names(void **state _unused_) {
    static const struct {
        const char *name, *type, *typed;
        bool called;
    } rows[] = {
        {"report", "txt", "report.txt", true},    {"report", "txt", "report", false},
        {"IMG", "jpg", "IMG.JPG", true},          {"README", "file", "README", true},
        {"README", "", "README", true},           {"report.txt", "gz", "report.txt", false},
        {"report.v2", "txt", "report.v2", false}, {"other", "txt", "report.txt", false},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        const Found found = record(rows[i].name, rows[i].type, 1, 1, NULL);

        assert_true(found_is_called(&found, rows[i].typed) == rows[i].called);
    }
}

typedef struct Row {
    const char *proves, *typed, *own;
    DownloadRequest options;
    Found records[4];
    size_t left; // as bits
} Row;

static void test_narrow(void **state _unused_) {
    const Row rows[] = {
        {"one file stays", "a.iso", "", {}, {record("a", "iso", 9, 1, NULL)}, 1},
        {"roots are better than none",
         "a.iso",
         "",
         {},
         {record("a", "iso", 9, 1, NULL), record("a", "iso", 9, 2, "aa")},
         2},
        {"by its first digits, in either case",
         "a.iso",
         "",
         {.root = "BBC"},
         {record("a", "iso", 9, 1, "bbcc"), record("a", "iso", 9, 2, "bbdd")},
         1},
        {"no root is not that root",
         "a.iso",
         "",
         {.root = "aaaa"},
         {record("a", "iso", 9, 1, NULL)},
         0},
        {"the own peer is no source",
         "a.iso",
         "192.0.2.9:2",
         {},
         {record("a", "iso", 9, 1, "aa"), record("a", "iso", 9, 2, "bb")},
         1},
        {"unless it is the only one, so that the daemon may say so",
         "a.iso",
         "192.0.2.9:2",
         {},
         {record("a", "iso", 9, 2, "bb")},
         1},
        {"to the letter before without extension",
         "a",
         "",
         {},
         {record("a", "iso", 9, 1, "aa"), record("a", "file", 9, 2, NULL)},
         2},
        {"by size, type and port",
         "a",
         "",
         {.size = 9, .size_set = true, .type = "ISO", .port = 1},
         {record("a", "iso", 9, 1, "aa"), record("a", "iso", 8, 1, "bb"),
          record("a", "iso", 9, 2, "cc"), record("a", "txt", 9, 1, "dd")},
         1},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Found records[ELEMENTSOF(rows[i].records) + 1] = {};
        _cleanup_(found_list_clear) FoundList found = {};
        size_t n = 0;

        ROW(&rows[i]);
        memcpy(records, rows[i].records, sizeof(rows[i].records));
        found = list_of(records);
        assert_int_equal(found_narrow(&found, rows[i].typed, &rows[i].options, rows[i].own), 0);
        for (size_t k = 0; k < ELEMENTSOF(rows[i].records); k++)
            if (rows[i].left & (1U << k)) {
                assert_in_range(n, 0, found.n - 1);
                assert_int_equal(found.records[n].size, records[k].size);
                assert_int_equal(found.records[n].port, records[k].port);
                n++;
            }
        assert_int_equal(found.n, n);
    }
}

static void test_answers(void **state _unused_) {
    static const struct {
        const char *line;
        int answer;
    } rows[] = {
        {"1\n", 1},       {" 3 \n", 3},     {"\n", 0},          {"", 0},           {"4\n", -EINVAL},
        {"0\n", -EINVAL}, {"x\n", -EINVAL}, {"1 2\n", -EINVAL}, {"-1\n", -EINVAL}, {"2", 2},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        assert_int_equal(choose_parse_answer(rows[i].line, 3), rows[i].answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group),  cmocka_unit_test(test_digits),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_narrow), cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
