// SPDX-License-Identifier: MIT

// The two sessions of the seed text, byte for byte: FT learns how a peer writes, and answers in the
// same way.

#include "proto/message.h"
#include "test.h"

// A record at that address.
static Record report(const char *address, uint16_t port) {
    Record record = {
        .name = "report",
        .type = "txt",
        .size = 11,
        .modified = {.year = 2020, .month = 3, .day = 5},
        .endpoint.port = port,
    };

    assert_int_equal(address_parse(address, strlen(address), &record.endpoint.address), 0);
    return record;
}

static void assert_written(Buffer *out, const char *expected) {
    assert_int_equal(buffer_append(out, "", 1), 0);
    assert_string_equal(buffer_data(out), expected);
    buffer_clear(out);
}

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Does what FT's session does with a registration: the first record shows the syntax, the list
// completes it, and a root in any record shows that the peer knows roots.
static RecordSyntax learn(Framer *framer, const char *data, size_t *ret_records) {
    const char *end = data + strlen(data), *text;
    bool raw = framer->framing == FRAMING_RAW;
    RecordSyntax syntax = {};
    size_t count = 0;

    while (data < end) {
        const char *message, *piece;
        size_t len, consumed;
        RecordList list;

        assert_int_equal(frame_next(framer, data, end - data, raw, &message, &len, &consumed),
                         FRAME_MESSAGE);
        assert_int_equal(message_parse(message, len).kind, MESSAGE_RECORDS);
        list = record_list(message, len);
        while (record_list_next(&list, &piece, &len)) {
            RecordSyntax shown;
            RecordText storage;
            Record record;

            assert_int_equal(record_parse(piece, len, &storage, &record, &shown), 0);
            text = count == 0 ? "notes" : "blob";
            assert_string_equal(record.name, text);
            assert_int_equal(record.size, count == 0 ? 11 : 3000);
            if (count++ == 0)
                syntax = shown;
            syntax.rooted |= shown.rooted;
        }
        if (count == 1 || raw)
            record_list_learn(&list, &syntax);
        data += consumed;
    }
    *ret_records = count;
    return syntax;
}

static void test_authors(void **state _unused_) {
    const Record records[] = {report("127.0.0.1", 7100), report("127.0.0.1", 7101)};
    Framer framer = {};
    const char *message;
    size_t len, consumed, count;
    RecordSyntax syntax;
    Buffer out = {};

    // A → FT HELLO, FT → A HI: neither has a newline.
    assert_int_equal(frame_next(&framer, "HELLO", 5, false, &message, &len, &consumed),
                     FRAME_MORE_OR_QUIET);
    assert_int_equal(frame_next(&framer, "HELLO", 5, true, &message, &len, &consumed),
                     FRAME_MESSAGE);
    assert_int_equal(message_parse(message, len).kind, MESSAGE_HELLO);
    assert_int_equal(message_put_word(&out, framer.framing, WORD_HI), 0);
    assert_written(&out, "HI");

    syntax = learn(&framer,
                   "<notes,127.0.0.1,6604,.txt,23/11/2026,11>;<blob,127.0.0.1,6604,.bin,23/11/2026,"
                   "3000>",
                   &count);
    assert_int_equal(count, 2);
    assert_memory_equal(syntax.order, record_syntax_authors.order, sizeof(syntax.order));

    assert_int_equal(message_put_found(&out, framer.framing, &syntax, records, 1), 0);
    assert_written(&out, "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11>");
    assert_int_equal(message_put_found(&out, framer.framing, &syntax, records, 2), 0);
    assert_written(&out, "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11;"
                         "report,127.0.0.1,7101,.txt,05/03/2020,11>");
    assert_int_equal(message_put_found(&out, framer.framing, &syntax, NULL, 0), 0);
    assert_written(&out, "NOT FOUND");
    assert_int_equal(message_put_file(&out, framer.framing, WORD_DOWNLOAD, &records[0], &syntax),
                     0);
    assert_written(&out, "DOWNLOAD: report,.txt,11");
}

// The peer's side, towards such an FT.
static void test_as_authors(void **state _unused_) {
    Record records[] = {report("127.0.0.1", 6604), report("127.0.0.1", 6604)};
    Buffer out = {};

    records[1].name = "blob";
    records[1].type = "bin";
    records[1].size = 3000;
    assert_int_equal(message_put_word(&out, FRAMING_RAW, WORD_HELLO), 0);
    assert_written(&out, "HELLO");
    assert_int_equal(message_put_records(&out, FRAMING_RAW, &record_syntax_authors, records, 2), 0);
    assert_written(&out, "<report,127.0.0.1,6604,.txt,05/03/2020,11>;"
                         "<blob,127.0.0.1,6604,.bin,05/03/2020,3000>");
    assert_int_equal(message_put_search(&out, FRAMING_RAW, "report"), 0);
    assert_written(&out, "SEARCH: report");
    assert_int_equal(
        message_put_file(&out, FRAMING_RAW, WORD_DOWNLOAD, &records[0], &record_syntax_authors), 0);
    assert_written(&out, "DOWNLOAD: report,.txt,11");
    assert_int_equal(message_put_word(&out, FRAMING_RAW, WORD_BYE), 0);
    assert_written(&out, "BYE");
}

static void test_own(void **state _unused_) {
    const Record records[] = {report("192.0.2.9", 5556), report("2001:db8::9", 5556)};
    const char *message;
    size_t len, consumed, count;
    RecordSyntax syntax;
    Framer framer = {};
    Buffer out = {};

    assert_int_equal(frame_next(&framer, "HELLO\n", 6, false, &message, &len, &consumed),
                     FRAME_MESSAGE);
    assert_int_equal(message_parse(message, len).kind, MESSAGE_HELLO);
    assert_int_equal(message_put_word(&out, framer.framing, WORD_HI), 0);
    assert_written(&out, "HI\n");

    syntax = learn(&framer,
                   "<notes, txt, 11, 23/11/26, 192.0.2.7, 5556>\n"
                   "<blob, bin, 3000, 23/11/26, 192.0.2.7, 5556>\n",
                   &count);
    assert_int_equal(count, 2);
    assert_memory_equal(syntax.order, record_syntax_own.order, sizeof(syntax.order));

    assert_int_equal(message_put_found(&out, framer.framing, &syntax, records, 1), 0);
    assert_written(&out, "FOUND: <txt, 11, 05/03/20, 192.0.2.9, 5556>\n");
    assert_int_equal(message_put_found(&out, framer.framing, &syntax, records, 2), 0);
    assert_written(&out, "FOUND: <txt, 11, 05/03/20, 192.0.2.9, 5556>, "
                         "<txt, 11, 05/03/20, 2001:db8::9, 5556>\n");
    assert_int_equal(message_put_found(&out, framer.framing, &syntax, NULL, 0), 0);
    assert_written(&out, "NOT FOUND\n");
}

static void test_as_own(void **state _unused_) {
    Record records[] = {report("192.0.2.7", 5556), report("192.0.2.7", 5556)};
    Buffer out = {};

    records[1].name = "blob";
    records[1].type = "bin";
    records[1].size = 3000;
    assert_int_equal(message_put_word(&out, FRAMING_LINE, WORD_HELLO), 0);
    assert_written(&out, "HELLO\n");
    assert_int_equal(message_put_records(&out, FRAMING_LINE, &record_syntax_own, records, 2), 0);
    assert_written(&out, "<report, txt, 11, 05/03/20, 192.0.2.7, 5556>\n"
                         "<blob, bin, 3000, 05/03/20, 192.0.2.7, 5556>\n");
    assert_int_equal(message_put_search(&out, FRAMING_LINE, "report.txt"), 0);
    assert_written(&out, "SEARCH: report.txt\n");
    assert_int_equal(
        message_put_file(&out, FRAMING_LINE, WORD_DOWNLOAD, &records[0], &record_syntax_own), 0);
    assert_written(&out, "DOWNLOAD: report, txt, 11\n");
    assert_int_equal(
        message_put_file(&out, FRAMING_LINE, WORD_REMOVE, &records[0], &record_syntax_own), 0);
    assert_written(&out, "REMOVE: report, txt, 11\n");
}

// The same with roots, in both directions.
static void test_rooted(void **state _unused_) {
    Record records[] = {report("192.0.2.9", 5556), report("192.0.2.10", 5556)};
    Framer framer = {.framing = FRAMING_LINE};
    RecordSyntax syntax;
    Buffer out = {};
    size_t count;

    records[0].has_root = true;
    assert_int_equal(merkle_hash_parse(ROOT, strlen(ROOT), &records[0].root), 0);

    // Only the second record has a root.
    syntax = learn(&framer,
                   "<notes, txt, 11, 23/11/26, 192.0.2.7, 5556>\n"
                   "<blob, bin, 3000, 23/11/26, 192.0.2.7, 5556, " ROOT ">\n",
                   &count);
    assert_int_equal(count, 2);
    assert_memory_equal(syntax.order, record_syntax_rooted.order, sizeof(syntax.order));
    assert_int_equal(message_put_found(&out, framer.framing, &syntax, records, 2), 0);
    assert_written(&out, "FOUND: <txt, 11, 05/03/20, 192.0.2.9, 5556, " ROOT ">, "
                         "<txt, 11, 05/03/20, 192.0.2.10, 5556>\n");

    // As a peer registers them, and as FT answers a peer that does not know roots.
    assert_int_equal(message_put_records(&out, FRAMING_LINE, &record_syntax_rooted, records, 2), 0);
    assert_written(&out, "<report, txt, 11, 05/03/20, 192.0.2.9, 5556, " ROOT ">\n"
                         "<report, txt, 11, 05/03/20, 192.0.2.10, 5556>\n");
    assert_int_equal(message_put_found(&out, FRAMING_RAW, &record_syntax_authors, records, 2), 0);
    assert_written(&out, "FOUND: <report,192.0.2.9,5556,.txt,05/03/2020,11;"
                         "report,192.0.2.10,5556,.txt,05/03/2020,11>");
    assert_int_equal(
        message_put_file(&out, FRAMING_LINE, WORD_REMOVE, &records[0], &record_syntax_rooted), 0);
    assert_written(&out, "REMOVE: report, txt, 11\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authors), cmocka_unit_test(test_as_authors),
        cmocka_unit_test(test_own),     cmocka_unit_test(test_as_own),
        cmocka_unit_test(test_rooted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
