// SPDX-License-Identifier: MIT

// Whatever we write in any syntax reads back the same. Records and syntaxes are random, but equal
// in each run.

#include <stdio.h>

#include "proto/message.h"
#include "test.h"

enum {
    ROUNDS = 20000,
    RECORDS_MAX = 4,
};

static uint32_t random_state = 20261123;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static void random_name(char name[static NAME_BYTES_MAX + 1]) {
    // Pieces that mean something to a part of the parsers.
    static const char *const pieces[] = {
        "a",       "report", ",",
        ", ",      " ",      "<",
        ">",       ";",      "|",
        "%",       "%41",    "%2E",
        ".",       ".txt",   "5",
        "11",      "é",      "文",
        "1-2-26",  "::1",    "10.0.0.1",
        "BYE",     "txt",    "bytes",
        "SEARCH:", ".mp3",   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    size_t n = 1 + random_below(6);

    do {
        size_t len = 0;

        name[0] = '\0';
        for (size_t i = 0; i < n; i++) {
            const char *piece = pieces[random_below(ELEMENTSOF(pieces))];

            if (len + strlen(piece) <= NAME_BYTES_MAX)
                len += sprintf(name + len, "%s", piece);
        }
    } while (strcmp(name, ".") == 0 || strcmp(name, "..") == 0);
}

static void random_record(Record *record, RecordText *text) {
    static const char *const types[] = {"txt", "mp3", "c", "7z", "file", "h++"};
    static const uint64_t sizes[] = {0, 1, 11, 65536, UINT64_C(1) << 40, INT64_MAX};
    static const char *const addresses[] = {"192.0.2.7", "127.0.0.1", "2001:db8::7", "::1"};
    const char *address = addresses[random_below(ELEMENTSOF(addresses))];

    random_name(text->name);
    strcpy(text->type, types[random_below(ELEMENTSOF(types))]);
    *record = (Record){
        .name = text->name,
        .type = text->type,
        .size = sizes[random_below(ELEMENTSOF(sizes))],
        .modified = {.year = 2000 + random_below(100),
                     .month = 1 + random_below(12),
                     .day = 1 + random_below(28)},
        .endpoint.port = 1 + random_below(UINT16_MAX),
    };
    assert_int_equal(address_parse(address, strlen(address), &record->endpoint.address), 0);
    record->has_root = random_below(2);
    for (size_t i = 0; i < sizeof(record->root.bytes) && record->has_root; i++)
        record->root.bytes[i] = random_below(256);
}

// Any order in which the port follows the address.
static void random_order(RecordSyntax *syntax) {
    RecordField units[] = {FIELD_TYPE, FIELD_SIZE, FIELD_DATE, FIELD_ADDRESS};
    size_t n = 0;

    for (size_t i = ELEMENTSOF(units); i > 0; i--) {
        size_t j = random_below(i);
        RecordField unit = units[j];

        units[j] = units[i - 1];
        syntax->order[n++] = unit;
        if (unit == FIELD_ADDRESS)
            syntax->order[n++] = FIELD_PORT;
    }
}

static RecordSyntax random_syntax(void) {
    static const char *const separators[] = {", ", ",", ";", "; ", "|"};
    static const char *const bare_separators[] = {";", "|", "\n"};
    RecordSyntax syntax = {
        .full_name = random_below(2),
        .spaced = random_below(2),
        .dotted = random_below(2),
        .empty_type = random_below(2),
        .long_year = random_below(2),
        .dashed = random_below(2),
        .brackets = random_below(4) > 0,
        .rooted = random_below(2),
    };

    random_order(&syntax);
    if (syntax.order[_FIELD_COUNT - 1] == FIELD_TYPE)
        syntax.empty_type = false; // an empty last field is a stray comma
    syntax.one_pair = syntax.brackets && random_below(2);
    if (syntax.one_pair)
        strcpy(syntax.list_separator, ";");
    else if (syntax.brackets)
        strcpy(syntax.list_separator, separators[random_below(ELEMENTSOF(separators))]);
    else
        strcpy(syntax.list_separator, bare_separators[random_below(ELEMENTSOF(bare_separators))]);
    syntax.named = true;
    return syntax;
}

// `a` was written and read back as `b`, with a root only if it may have one.
static void assert_same(const Record *a, const Record *b, const RecordSyntax *syntax) {
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->type, b->type);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(&a->modified, &b->modified, sizeof(Date));
    assert_true(endpoint_equal(&a->endpoint, &b->endpoint));
    assert_int_equal(b->has_root, a->has_root && syntax->rooted);
    if (b->has_root)
        assert_true(merkle_hash_equal(&a->root, &b->root));
}

static void check_answer(const Record *records, size_t n, const RecordSyntax *syntax) {
    Buffer out = {};
    Message message;
    RecordList list;
    const char *piece;
    size_t len;

    assert_int_equal(message_put_found(&out, FRAMING_RAW, syntax, records, n), 0);
    message = message_parse(buffer_data(&out), out.size);
    assert_int_equal(message.kind, MESSAGE_FOUND);
    list = record_list(message.argument, message.argument_len);
    for (size_t i = 0; i < n; i++) {
        RecordText text;
        Record record;

        assert_true(record_list_next(&list, &piece, &len));
        assert_int_equal(record_parse(piece, len, &text, &record, NULL), 0);
        assert_same(&records[i], &record, syntax);
        assert_int_equal(record_parse_found(piece, len, "other", &text, &record), 0);
        assert_same(&records[i], &record, syntax);
    }
    assert_false(record_list_next(&list, &piece, &len));
    buffer_clear(&out);
}

static void check_file(const Record *record, const RecordSyntax *syntax) {
    RecordText text;
    Buffer out = {};
    Message message;
    Record again;

    assert_int_equal(message_put_file(&out, FRAMING_RAW, WORD_DOWNLOAD, record, syntax), 0);
    message = message_parse(buffer_data(&out), out.size);
    assert_int_equal(message.kind, MESSAGE_DOWNLOAD);
    assert_int_equal(record_parse_file(message.argument, message.argument_len, &text, &again), 0);
    assert_string_equal(record->name, again.name);
    assert_string_equal(record->type, again.type);
    assert_int_equal(record->size, again.size);
    buffer_clear(&out);
}

static void test_round_trip(void **state _unused_) {
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + random_below(RECORDS_MAX);
        RecordSyntax syntax = random_syntax();
        RecordText texts[RECORDS_MAX];
        Record records[RECORDS_MAX];

        for (size_t i = 0; i < n; i++) {
            random_record(&records[i], &texts[i]);
            check_file(&records[i], &syntax);
        }
        check_answer(records, n, &syntax);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
