// SPDX-License-Identifier: MIT

#include <stdio.h>

#include "proto/record.h"
#include "test.h"

// Formats a record as "name|type|size|date|endpoint", with "|root" if it has one.
static void describe(const Record *record, char *text, size_t size) {
    char endpoint[ENDPOINT_TEXT_MAX], root[MERKLE_TEXT_BYTES + 1] = "";

    endpoint_format(&record->endpoint, endpoint);
    if (record->has_root)
        merkle_hash_format(&record->root, root);
    snprintf(text, size, "%s|%s|%llu|%04u-%02u-%02u|%s%s%s", record->name, record->type,
             (unsigned long long)record->size, record->modified.year, record->modified.month,
             record->modified.day, endpoint, record->has_root ? "|" : "", root);
}

#define ROOT  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UPPER "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"

#define NOTES "notes|txt|11|2026-11-23|192.0.2.7:5556"

// Programs in the wild, and what FT answers to each: the same record in the same syntax. The answer
// has the name unless the order is that of the seed text.
static const struct DialectRow {
    const char *proves, *text, *record;
    const char *again; // record_format() in the learnt syntax, with the name
    bool named;
} dialect_rows[] = {
    {"the seed's order", "notes, txt, 11, 23/11/26, 192.0.2.7, 5556", NOTES,
     "notes, txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"tight", "notes,txt,11,23/11/26,192.0.2.7,5556", NOTES, "notes,txt,11,23/11/26,192.0.2.7,5556",
     false},
    {"the seed authors' order", "notes,192.0.2.7,5556,.txt,23/11/2026,11", NOTES,
     "notes,192.0.2.7,5556,.txt,23/11/2026,11", true},
    {"size and type swapped", "notes, 11, txt, 23/11/26, 192.0.2.7, 5556", NOTES,
     "notes, 11, txt, 23/11/26, 192.0.2.7, 5556", true},
    {"the date first", "notes,23/11/26,txt,11,192.0.2.7,5556", NOTES,
     "notes,23/11/26,txt,11,192.0.2.7,5556", true},
    {"the type last", "notes,11,23/11/26,192.0.2.7,5556,txt", NOTES,
     "notes,11,23/11/26,192.0.2.7,5556,txt", true},
    {"a dotted type in the seed's order", "notes, .txt, 11, 23/11/26, 192.0.2.7, 5556", NOTES,
     "notes, .txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"dashes in the date", "notes, txt, 11, 23-11-26, 192.0.2.7, 5556", NOTES,
     "notes, txt, 11, 23-11-26, 192.0.2.7, 5556", false},
    {"four digits of a year", "notes, txt, 11, 23/11/2026, 192.0.2.7, 5556", NOTES,
     "notes, txt, 11, 23/11/2026, 192.0.2.7, 5556", false},
    {"a unit behind the size", "notes, txt, 11 bytes, 23/11/26, 192.0.2.7, 5556", NOTES,
     "notes, txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"the name with its extension, and a type", "notes.txt, txt, 11, 23/11/26, 192.0.2.7, 5556",
     NOTES, "notes.txt, txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"the case of the extension does not matter", "notes.TXT, txt, 11, 23/11/26, 192.0.2.7, 5556",
     NOTES, "notes.txt, txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"the name with its extension and no type", "notes.txt, 11, 23/11/26, 192.0.2.7, 5556", NOTES,
     "notes.txt, 11, 23/11/26, 192.0.2.7, 5556, .txt", true},
    {"neither extension nor type", "README, 11, 23/11/26, 192.0.2.7, 5556",
     "README|file|11|2026-11-23|192.0.2.7:5556", "README, 11, 23/11/26, 192.0.2.7, 5556, .file",
     true},
    {"a comma behind the last field", "notes,txt,11,23/11/26,192.0.2.7,5556,", NOTES,
     "notes,txt,11,23/11/26,192.0.2.7,5556", false},
    {"an empty type says that there is none", "README,192.0.2.7,5556,,23/11/2026,11",
     "README|file|11|2026-11-23|192.0.2.7:5556", "README,192.0.2.7,5556,,23/11/2026,11", true},
    {"IPv6", "notes, txt, 11, 23/11/26, 2001:db8::7, 5556",
     "notes|txt|11|2026-11-23|[2001:db8::7]:5556", "notes, txt, 11, 23/11/26, 2001:db8::7, 5556",
     false},
    {"white space everywhere", "  notes ,\ttxt , 11,23/11/26 , 192.0.2.7 , 5556 \r\n", NOTES,
     "notes, txt, 11, 23/11/26, 192.0.2.7, 5556", false},
    {"single digits in a date", "notes, txt, 11, 3/1/26, 192.0.2.7, 5556",
     "notes|txt|11|2026-01-03|192.0.2.7:5556", "notes, txt, 11, 03/01/26, 192.0.2.7, 5556", false},
    {"the last byte of off_t", "a, txt, 9223372036854775807, 23/11/26, 192.0.2.7, 65535",
     "a|txt|9223372036854775807|2026-11-23|192.0.2.7:65535",
     "a, txt, 9223372036854775807, 23/11/26, 192.0.2.7, 65535", false},
    {"an empty file", "a, txt, 0, 29/02/24, 192.0.2.7, 1", "a|txt|0|2024-02-29|192.0.2.7:1",
     "a, txt, 0, 29/02/24, 192.0.2.7, 1", false},
    {"a root", "notes, txt, 11, 23/11/26, 192.0.2.7, 5556, " ROOT, NOTES "|" ROOT,
     "notes, txt, 11, 23/11/26, 192.0.2.7, 5556, " ROOT, false},
    {"a root that could be that of any larger file",
     "notes, txt, 64, 23/11/26, 192.0.2.7, 5556, " ROOT, "notes|txt|64|2026-11-23|192.0.2.7:5556",
     "notes, txt, 64, 23/11/26, 192.0.2.7, 5556", false},
    {"a root in upper case", "notes, txt, 11, 23/11/26, 192.0.2.7, 5556, " UPPER, NOTES "|" ROOT,
     "notes, txt, 11, 23/11/26, 192.0.2.7, 5556, " ROOT, false},
    {"a root behind the authors' order", "notes,192.0.2.7,5556,.txt,23/11/2026,11," ROOT,
     NOTES "|" ROOT, "notes,192.0.2.7,5556,.txt,23/11/2026,11," ROOT, true},
    {"a root of digits only, behind a size",
     "notes,192.0.2.7,5556,.txt,23/11/2026,11,0000000000000000000000000000000000000000000000000000"
     "000000000000",
     NOTES "|0000000000000000000000000000000000000000000000000000000000000000",
     "notes,192.0.2.7,5556,.txt,23/11/2026,11,0000000000000000000000000000000000000000000000000000"
     "000000000000",
     true},
    {"a comma behind the root", "notes,txt,11,23/11/26,192.0.2.7,5556," ROOT ",", NOTES "|" ROOT,
     "notes,txt,11,23/11/26,192.0.2.7,5556," ROOT, false},
    {"a root and no type", "notes.txt, 11, 23/11/26, 192.0.2.7, 5556, " ROOT, NOTES "|" ROOT,
     "notes.txt, 11, 23/11/26, 192.0.2.7, 5556, .txt, " ROOT, true},
    {"an empty type before the root is no stray comma", "read.me,11,23/11/26,192.0.2.7,5556,," ROOT,
     "read.me|file|11|2026-11-23|192.0.2.7:5556|" ROOT,
     "read.me,11,23/11/26,192.0.2.7,5556,.file," ROOT, true},
};

static void test_dialects(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(dialect_rows); i++) {
        const struct DialectRow *row = &dialect_rows[i];
        RecordSyntax syntax;
        char found[512];
        RecordText text;
        Buffer out = {};
        Record record;

        ROW(row);
        assert_int_equal(record_parse(row->text, strlen(row->text), &text, &record, &syntax), 0);
        describe(&record, found, sizeof(found));
        assert_string_equal(found, row->record);
        assert_int_equal(syntax.named, row->named);
        assert_int_equal(record_format(&out, &record, &syntax, true), 0);
        assert_int_equal(buffer_append(&out, "", 1), 0);
        assert_string_equal(buffer_data(&out), row->again);
        buffer_clear(&out);
    }
}

#define REST    "txt, 11, 23/11/26, 192.0.2.7, 5556"
#define TEXT_62 "112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Names that look like something else. Each is read, then written again byte for byte.
static const struct NameRow {
    const char *proves, *text, *name, *type;
} name_rows[] = {
    {"commas", "a, b,c, " REST, "a, b,c", "txt"},
    {"a comma at its end", "a,, " REST, "a,", "txt"},
    {"only a comma", ",, " REST, ",", "txt"},
    {"a number", "42, " REST, "42", "txt"},
    {"a number behind a comma", "a, 5, " REST, "a, 5", "txt"},
    {"a date", "12/12/12", NULL, NULL}, // '/' is in no name
    {"a date with dashes behind a comma", "a, 12-12-12, " REST, "a, 12-12-12", "txt"},
    {"an impossible date behind a comma", "a, 31-02-26, " REST, "a, 31-02-26", "txt"},
    {"an address", "10.0.0.1, " REST, "10.0.0.1", "txt"},
    {"an address and a port", "a, 10.0.0.1, 80, " REST, "a, 10.0.0.1, 80", "txt"},
    {"a whole record", "x, bin, 1, 01-01-20, 10.0.0.1, 80, " REST,
     "x, bin, 1, 01-01-20, 10.0.0.1, 80", "txt"},
    {"brackets", "%3Cb%3E, " REST, "<b>", "txt"},
    {"what ends a record", "a%3Bb%7Cc, " REST, "a;b|c", "txt"},
    {"spaces at its ends", "%20a%20, " REST, " a ", "txt"},
    {"a percent", "100%, " REST, "100%", "txt"},
    {"a percent code", "%2541, " REST, "%41", "txt"},
    {"Unicode", "отчёт 文, " REST, "отчёт 文", "txt"},
    {"the extension twice", "a%2Etxt, " REST, "a.txt", "txt"},
    {"only an extension", ".txt, " REST, ".txt", "txt"},
    {"the rest would be \".\"", "..txt, " REST, "..txt", "txt"},
    {"the rest would be \"..\"", "...txt, " REST, "...txt", "txt"},
    {"255 bytes", TEXT_255 ", " REST, TEXT_255, "txt"},
    {"a number as type", "bash, 1, 11, 23/11/26, 192.0.2.7, 5556", "bash", "1"},
    {"a number as type, name with a number", "a, 5, 1, 11, 23/11/26, 192.0.2.7, 5556", "a, 5", "1"},
    {"a date as type", "a, 1-2-26, 11, 23/11/26, 192.0.2.7, 5556", "a", "1-2-26"},
    {"a type with a dot", "a, tar.gz, 11, 23/11/26, 192.0.2.7, 5556", "a", "tar.gz"},
    {"that extension twice", "a.tar.gz, tar.gz, 11, 23/11/26, 192.0.2.7, 5556", "a.tar.gz",
     "tar.gz"},
    {"no type", "x%2Efile, file, 11, 23/11/26, 192.0.2.7, 5556", "x.file", "file"},
    {"64 hex digits", ROOT ", " REST, ROOT, "txt"},
    {"64 hex digits with a root", ROOT ", " REST ", " ROOT, ROOT, "txt"},
    {"64 hex digits and an extension", ROOT ".txt, " REST, ROOT, "txt"},
    {"64 hex digits behind a comma", "a, " ROOT ", " REST, "a, " ROOT, "txt"},
    {"a whole record with a root", "x, bin, 1, 01-01-20, 10.0.0.1, 80, " ROOT ", " REST ", " ROOT,
     "x, bin, 1, 01-01-20, 10.0.0.1, 80, " ROOT, "txt"},
};

static void test_names(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(name_rows); i++) {
        const struct NameRow *row = &name_rows[i];
        RecordSyntax syntax;
        RecordText text;
        Buffer out = {};
        Record record;
        int r;

        ROW(row);
        r = record_parse(row->text, strlen(row->text), &text, &record, &syntax);
        assert_int_equal(r, row->name ? 0 : -EBADMSG);
        if (r < 0)
            continue;
        assert_string_equal(record.name, row->name);
        assert_string_equal(record.type, row->type);
        assert_int_equal(record.size, 11);
        assert_int_equal(record_format(&out, &record, &syntax, true), 0);
        assert_int_equal(buffer_append(&out, "", 1), 0);
        assert_string_equal(buffer_data(&out), row->text);
        buffer_clear(&out);
    }
}

static const struct RefusedRow {
    const char *proves, *text;
    size_t len;
} refused_rows[] = {
    {"nothing", TEXT("")},
    {"only a name", TEXT("notes")},
    {"no size", TEXT("notes, txt, 23/11/26, 192.0.2.7, 5556")},
    {"no date", TEXT("notes, txt, 11, 192.0.2.7, 5556")},
    {"no address", TEXT("notes, txt, 11, 23/11/26, 5556")},
    {"no port", TEXT("notes, txt, 11, 23/11/26, 192.0.2.7")},
    {"an empty name", TEXT(", txt, 11, 23/11/26, 192.0.2.7, 5556")},
    {"31 February", TEXT("notes, txt, 11, 31/02/26, 192.0.2.7, 5556")},
    {"29 February of no leap year", TEXT("notes, txt, 11, 29/02/26, 192.0.2.7, 5556")},
    {"day 0", TEXT("notes, txt, 11, 00/11/26, 192.0.2.7, 5556")},
    {"month 13", TEXT("notes, txt, 11, 01/13/26, 192.0.2.7, 5556")},
    {"a year of three digits", TEXT("notes, txt, 11, 01/01/026, 192.0.2.7, 5556")},
    {"the year first", TEXT("notes, txt, 11, 2026/11/23, 192.0.2.7, 5556")},
    {"mixed date separators", TEXT("notes, txt, 11, 23/11-26, 192.0.2.7, 5556")},
    {"port 0", TEXT("notes, txt, 11, 23/11/26, 192.0.2.7, 0")},
    {"port 70000", TEXT("notes, txt, 11, 23/11/26, 192.0.2.7, 70000")},
    {"size 2^63", TEXT("notes, txt, 9223372036854775808, 23/11/26, 192.0.2.7, 5556")},
    {"size over 2^64", TEXT("notes, txt, 99999999999999999999, 23/11/26, 192.0.2.7, 5556")},
    {"a negative size", TEXT("notes, txt, -11, 23/11/26, 192.0.2.7, 5556")},
    {"another unit", TEXT("notes, txt, 11 KB, 23/11/26, 192.0.2.7, 5556")},
    {"an impossible address", TEXT("notes, txt, 11, 23/11/26, 192.0.2.256, 5556")},
    {"the folder above", TEXT(".., " REST)},
    {"this folder", TEXT("., " REST)},
    {"a path", TEXT("a/b, " REST)},
    {"an encoded path", TEXT("..%2F..%2Fetc%2Fpasswd, " REST)},
    {"NUL", TEXT("a\0b, " REST)},
    {"an encoded NUL", TEXT("a%00b, " REST)},
    {"a control character", TEXT("a\033b, " REST)},
    {"an encoded newline", TEXT("a%0Ab, " REST)},
    {"not UTF-8", TEXT("a\xff, " REST)},
    {"256 bytes", TEXT(TEXT_255 "f, " REST)},
    {"a root of 63 digits", TEXT("notes, " REST ", 0" TEXT_62)},
    {"a root of 65 digits", TEXT("notes, " REST ", 012" TEXT_62)},
    {"a root that is not hex", TEXT("notes, " REST ", 0g" TEXT_62)},
    {"a root in two pieces", TEXT("notes, " REST ", 0 1" TEXT_62)},
    {"two roots", TEXT("notes, " REST ", " ROOT ", " ROOT)},
    {"a root before the port", TEXT("notes, txt, 11, 23/11/26, 192.0.2.7, " ROOT ", 5556")},
    {"only a root", TEXT(ROOT)},
    {"only a name and a root", TEXT("notes, " ROOT)},
};

static void test_refused(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(refused_rows); i++) {
        const struct RefusedRow *row = &refused_rows[i];
        Record record = {.size = 77};
        RecordText text;

        ROW(row);
        assert_int_equal(record_parse(row->text, row->len, &text, &record, NULL), -EBADMSG);
        assert_int_equal(record.size, 77); // written only on success
    }
}

static const struct FoundRow {
    const char *proves, *text, *searched, *record; // NULL: rejected
} found_rows[] = {
    {"the name is what was searched", REST, "notes", NOTES},
    {"searched with its extension", REST, "notes.txt", NOTES},
    {"what was searched is no percent code", REST, "a%41", "a%41|txt|11|2026-11-23|192.0.2.7:5556"},
    {"with a name", "notes, " REST, "other", NOTES},
    {"the authors' order", "notes,192.0.2.7,5556,.txt,23/11/2026,11", "other", NOTES},
    {"a number as type", "1, 11, 23/11/26, 192.0.2.7, 5556", "bash",
     "bash|1|11|2026-11-23|192.0.2.7:5556"},
    {"the address first", "192.0.2.7,5556,txt,23/11/26,11", "notes", NOTES},
    {"no type: the extension that was searched", "11, 23/11/26, 192.0.2.7, 5556", "notes.txt",
     NOTES},
    {"no port", "txt, 11, 23/11/26, 192.0.2.7", "notes", NULL},
    {"a root", REST ", " ROOT, "notes", NOTES "|" ROOT},
    {"a root in the authors' order", "notes,192.0.2.7,5556,.txt,23/11/2026,11," ROOT, "other",
     NOTES "|" ROOT},
    {"a file that is called like a root", REST ", " ROOT, ROOT,
     ROOT "|txt|11|2026-11-23|192.0.2.7:5556|" ROOT},
    {"the name of 64 hex digits is no root", ROOT ", " REST, "other",
     ROOT "|txt|11|2026-11-23|192.0.2.7:5556"},
    {"nothing but a root", ROOT, "notes", NULL},
    {"an FT that sends a path", "../notes, " REST, "notes", NULL},
};

static void test_found(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(found_rows); i++) {
        const struct FoundRow *row = &found_rows[i];
        char found[512];
        RecordText text;
        Record record;

        ROW(row);
        assert_int_equal(
            record_parse_found(row->text, strlen(row->text), row->searched, &text, &record),
            row->record ? 0 : -EBADMSG);
        if (!row->record)
            continue;
        describe(&record, found, sizeof(found));
        assert_string_equal(found, row->record);
    }
}

static const struct FileRow {
    const char *proves, *text, *name, *type; // NULL: rejected
    uint64_t size;
} file_rows[] = {
    {"ours", "report, txt, 11", "report", "txt", 11},
    {"the authors'", "report,.txt,11", "report", "txt", 11},
    {"in brackets", "<report, txt, 11>", "report", "txt", 11},
    {"with its extension", "report.txt, txt, 11", "report", "txt", 11},
    {"without a type", "report.txt, 11", "report", "txt", 11},
    {"an empty type", "README,,11", "README", "file", 11},
    {"a unit", "report, txt, 11 bytes", "report", "txt", 11},
    {"a number as type", "bash, 1, 11", "bash", "1", 11},
    {"a name with a number", "a, 5, txt, 11", "a, 5", "txt", 11},
    {"a name with an impossible date", "a, 31-02-26, txt, 11", "a, 31-02-26", "txt", 11},
    {"a name with a date", "a, 12-12-12, txt, 11", "a, 12-12-12", "txt", 11},
    {"a name with an address", "a, 10.0.0.1, txt, 11", "a, 10.0.0.1", "txt", 11},
    {"an address before the size", "10.0.0.1, 11", "10.0.0", "1", 11},
    {"an empty file", "report, txt, 0", "report", "txt", 0},
    {"no size", "report, txt", NULL, NULL, 0},
    {"no name", ", txt, 11", NULL, NULL, 0},
    {"only a size", "11", NULL, NULL, 0},
    {"a path", "../../etc/passwd, txt, 11", NULL, NULL, 0},
    {"an encoded path", "..%2fa, txt, 11", NULL, NULL, 0},
    {"the folder above", ".., txt, 11", NULL, NULL, 0},
    {"size 2^63", "a, txt, 9223372036854775808", NULL, NULL, 0},
    {"64 hex digits", ROOT ", txt, 11", ROOT, "txt", 11},
    {"no size, but a root", "report, txt, " ROOT, NULL, NULL, 0},
    {"a size and a root", "report, txt, 11, " ROOT, NULL, NULL, 0},
    {"nothing", "", NULL, NULL, 0},
};

static void test_file(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(file_rows); i++) {
        const struct FileRow *row = &file_rows[i];
        RecordText text;
        Record record;

        ROW(row);
        assert_int_equal(record_parse_file(row->text, strlen(row->text), &text, &record),
                         row->name ? 0 : -EBADMSG);
        if (!row->name)
            continue;
        assert_string_equal(record.name, row->name);
        assert_string_equal(record.type, row->type);
        assert_int_equal(record.size, row->size);
        assert_int_equal(record.endpoint.port, 0);
    }
}

// An empty Buffer has no data.
static void test_null(void **state _unused_) {
    RecordText text;
    Record record;

    assert_int_equal(record_parse(NULL, 0, &text, &record, NULL), -EBADMSG);
    assert_int_equal(record_parse_found(NULL, 0, "notes", &text, &record), -EBADMSG);
    assert_int_equal(record_parse_file(NULL, 0, &text, &record), -EBADMSG);
}

// A peer that has not shown that it knows roots never sees one. A record without a root never gets
// one.
static void test_root_only_where_it_is_known(void **state _unused_) {
    const char *with = "notes, " REST ", " ROOT, *without = "notes, " REST;
    RecordSyntax rooted, plain;
    RecordText text;
    Record record;
    Buffer out = {};

    assert_int_equal(record_parse(with, strlen(with), &text, &record, &rooted), 0);
    assert_memory_equal(&rooted.order, record_syntax_rooted.order, sizeof(rooted.order));
    assert_true(rooted.rooted);
    assert_true(record.has_root);
    assert_int_equal(record_format(&out, &record, &record_syntax_own, true), 0);
    assert_int_equal(out.size, strlen(without));
    assert_memory_equal(buffer_data(&out), without, out.size);
    buffer_clear(&out);
    assert_int_equal(record_format_file(&out, &record, &record_syntax_rooted), 0);
    assert_memory_equal(buffer_data(&out), "notes, txt, 11", out.size);
    buffer_clear(&out);

    assert_int_equal(record_parse(without, strlen(without), &text, &record, &plain), 0);
    assert_false(plain.rooted);
    assert_false(record.has_root);
    assert_int_equal(record_format(&out, &record, &record_syntax_rooted, true), 0);
    assert_int_equal(out.size, strlen(without));
    buffer_clear(&out);
}

static void test_same_file(void **state _unused_) {
    const Record a = {.name = "a", .type = "txt", .size = 1};
    const Record others[] = {
        {.name = "A", .type = "txt", .size = 1},
        {.name = "a", .type = "pdf", .size = 1},
        {.name = "a", .type = "txt", .size = 2},
    };
    const Record same = {.name = "a", .type = "TXT", .size = 1, .modified = {.year = 2020}};

    assert_true(record_same_file(&a, &same));
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        assert_false(record_same_file(&a, &others[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects), cmocka_unit_test(test_names),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_found),
        cmocka_unit_test(test_file),     cmocka_unit_test(test_same_file),
        cmocka_unit_test(test_null),     cmocka_unit_test(test_root_only_where_it_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
