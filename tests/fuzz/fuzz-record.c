// SPDX-License-Identifier: MIT

// Input: a message with records, or the argument of a DOWNLOAD. An accepted record must have only
// valid values, and must mean the same after it was written again in the syntax that it showed.

#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "proto/message.h"
#include "proto/name.h"
#include "util/macro.h"

static void check_file(const Record *record) {
    CHECK(name_is_valid(record->name, strlen(record->name)));
    CHECK(type_is_valid(record->type, strlen(record->type)));
    CHECK(record->size <= SIZE_BYTES_MAX);
}

static void check_record(const Record *record) {
    check_file(record);
    CHECK(record->endpoint.port > 0);
    CHECK(record->endpoint.address.family == AF_INET ||
          record->endpoint.address.family == AF_INET6);
    CHECK(record->modified.month >= 1 && record->modified.month <= 12);
    CHECK(record->modified.day >= 1 && record->modified.day <= 31);
    CHECK(record->has_root || merkle_hash_equal(&record->root, &(MerkleHash){}));
}

static void check_same(const Record *a, const Record *b) {
    CHECK(record_same_file(a, b));
    CHECK(a->modified.year == b->modified.year && a->modified.month == b->modified.month &&
          a->modified.day == b->modified.day);
    CHECK(endpoint_equal(&a->endpoint, &b->endpoint));
    CHECK(a->has_root == b->has_root && merkle_hash_equal(&a->root, &b->root));
}

// Writes the record as an answer of FT in the learnt syntax, and expects to read it back as
// `expected`.
static void check_found(const Record *record, const RecordSyntax *syntax, const Record *expected) {
    const char *prefix = WORD_FOUND " ", *piece;
    Buffer out = {};
    RecordText text;
    RecordList list;
    size_t len;
    Record again;

    CHECK(message_put_found(&out, FRAMING_RAW, syntax, record, 1) >= 0);
    list = record_list(buffer_data(&out) + strlen(prefix), out.size - strlen(prefix));
    CHECK(record_list_next(&list, &piece, &len));
    CHECK(record_parse_found(piece, len, record->name, &text, &again) >= 0);
    CHECK(again.has_root == (record->has_root && syntax->rooted));
    // Without its name, a record of "a.txt" with the type "txt" reads as one of "a".
    if (syntax->named)
        check_same(expected, &again);
    CHECK(!record_list_next(&list, &piece, &len));
    buffer_clear(&out);
}

// Writes the record to a peer that does not know roots.
static void check_rootless(const Record *record, RecordSyntax syntax) {
    Record rootless = *record;

    syntax.rooted = false;
    rootless.has_root = false;
    rootless.root = (MerkleHash){};
    check_found(record, &syntax, &rootless);
}

// Writes the record as a registration.
static void check_registered(const Record *record, const RecordSyntax *syntax) {
    Buffer out = {};
    RecordText text;
    Record again;

    CHECK(record_format(&out, record, syntax, true) >= 0);
    CHECK(record_parse(buffer_data(&out), out.size, &text, &again, NULL) >= 0);
    check_same(record, &again);
    buffer_clear(&out);
}

static void check_download(const Record *record, const RecordSyntax *syntax) {
    Buffer out = {};
    RecordText text;
    Record again;

    CHECK(record_format_file(&out, record, syntax) >= 0);
    CHECK(record_parse_file(buffer_data(&out), out.size, &text, &again) >= 0);
    CHECK(record_same_file(record, &again));
    buffer_clear(&out);
}

static void fuzz_list(const char *data, size_t len) {
    RecordList list = record_list(data, len);
    const char *piece, *previous = data;
    size_t piece_len;

    while (record_list_next(&list, &piece, &piece_len)) {
        RecordSyntax syntax;
        RecordText text;
        Record record;

        CHECK(piece_len > 0 && piece >= previous && piece + piece_len <= data + len);
        previous = piece + piece_len;
        if (record_parse_found(piece, piece_len, "report.txt", &text, &record) >= 0)
            check_record(&record);
        if (record_parse(piece, piece_len, &text, &record, &syntax) < 0)
            continue;
        check_record(&record);
        CHECK(syntax.rooted == record.has_root);
        record_list_learn(&list, &syntax);
        check_registered(&record, &syntax);
        check_found(&record, &syntax, &record);
        check_rootless(&record, syntax);
        check_download(&record, &syntax);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    RecordText storage;
    Record record;

    if (record_parse_file(text, size, &storage, &record) >= 0) {
        check_file(&record);
        check_download(&record, &record_syntax_own);
        check_download(&record, &record_syntax_authors);
    }
    fuzz_list(text, size);
    return 0;
}
