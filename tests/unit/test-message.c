// SPDX-License-Identifier: MIT

#include "proto/message.h"
#include "test.h"

static const struct ParseRow {
    const char *proves, *text;
    size_t len;
    MessageKind kind;
    const char *argument;
} parse_rows[] = {
    {"HELLO", TEXT("HELLO"), MESSAGE_HELLO, ""},
    {"HI", TEXT("HI"), MESSAGE_HI, ""},
    {"BYE", TEXT("BYE"), MESSAGE_BYE, ""},
    {"SEARCH", TEXT("SEARCH: report"), MESSAGE_SEARCH, "report"},
    {"SEARCH without the space", TEXT("SEARCH:report"), MESSAGE_SEARCH, "report"},
    {"a name with spaces", TEXT("SEARCH: File Name"), MESSAGE_SEARCH, "File Name"},
    {"white space around the argument", TEXT("SEARCH: \t a \r\n"), MESSAGE_SEARCH, "a"},
    {"SEARCH for nothing", TEXT("SEARCH:"), MESSAGE_SEARCH, ""},
    {"FOUND", TEXT("FOUND: <a>"), MESSAGE_FOUND, "<a>"},
    {"NOT FOUND", TEXT("NOT FOUND"), MESSAGE_NOT_FOUND, ""},
    {"REMOVE", TEXT("REMOVE: a, txt, 1"), MESSAGE_REMOVE, "a, txt, 1"},
    {"DOWNLOAD", TEXT("DOWNLOAD: a, txt, 1"), MESSAGE_DOWNLOAD, "a, txt, 1"},
    {"KEPT", TEXT("KEPT: 7"), MESSAGE_KEPT, "7"},
    {"REACHABLE", TEXT("REACHABLE"), MESSAGE_REACHABLE, ""},
    {"its answer", TEXT("REACHABLE: yes, ::1, 7"), MESSAGE_REACHABLE_IS, "yes, ::1, 7"},
    {"a record", TEXT("<a>"), MESSAGE_RECORDS, "<a>"},
    {"a word without argument stands alone", TEXT("HELLO there"), MESSAGE_RECORDS, "HELLO there"},
    {"a bare record whose name begins like a word", TEXT("HISTORY, txt"), MESSAGE_RECORDS,
     "HISTORY, txt"},
    {"the beginning of a word", TEXT("SEARC"), MESSAGE_RECORDS, "SEARC"},
    {"lower case is no word", TEXT("hello"), MESSAGE_RECORDS, "hello"},
    {"nothing", TEXT(""), MESSAGE_EMPTY, ""},
    {"only white space", TEXT(" \r\n"), MESSAGE_EMPTY, ""},
};

static void test_parse(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(parse_rows); i++) {
        const struct ParseRow *row = &parse_rows[i];
        Message message = message_parse(row->text, row->len);

        ROW(row);
        assert_int_equal(message.kind, row->kind);
        assert_int_equal(message.argument_len, strlen(row->argument));
        assert_memory_equal(message.argument, row->argument, message.argument_len);
    }
    assert_int_equal(message_parse(NULL, 0).kind, MESSAGE_EMPTY);
}

static const struct SearchRow {
    const char *proves, *text;
    size_t len;
    const char *name; // NULL: rejected
} search_rows[] = {
    {"plain", TEXT("SEARCH: report.txt"), "report.txt"},
    {"encoded", TEXT("SEARCH: %20a%2"), " a%2"},
    {"256 bytes", TEXT("SEARCH: " TEXT_255 "f"), NULL},
    {"255 bytes", TEXT("SEARCH: " TEXT_255), TEXT_255},
    {"a path", TEXT("SEARCH: a/b"), NULL},
    {"an encoded path", TEXT("SEARCH: ..%2fetc"), NULL},
    {"the folder above", TEXT("SEARCH: .."), NULL},
    {"an encoded NUL", TEXT("SEARCH: a%00b"), NULL},
    {"a NUL", TEXT("SEARCH: a\0b"), NULL},
    {"not UTF-8", TEXT("SEARCH: \xff"), NULL},
    {"nothing", TEXT("SEARCH:"), NULL},
};

static void test_search_name(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(search_rows); i++) {
        const struct SearchRow *row = &search_rows[i];
        Message message = message_parse(row->text, row->len);
        char name[NAME_BYTES_MAX + 1];

        ROW(row);
        assert_int_equal(message.kind, MESSAGE_SEARCH);
        assert_int_equal(message_search_name(&message, name), row->name ? 0 : -EBADMSG);
        if (row->name)
            assert_string_equal(name, row->name);
    }
}

// Any possible file name arrives as it was sent, in both framings.
static void test_search_round_trip(void **state _unused_) {
    static const char *const names[] = {"report", " a ", "100%41", "a,b", "<a>", "文 件", "%"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        for (int framing = FRAMING_LINE; framing <= FRAMING_RAW; framing++) {
            Framer framer = {.framing = framing};
            char name[NAME_BYTES_MAX + 1];
            size_t len, consumed;
            Buffer out = {};
            const char *data;
            Message message;

            print_message("  %s\n", names[i]);
            assert_int_equal(message_put_search(&out, framing, names[i]), 0);
            assert_int_equal(frame_next(&framer, buffer_data(&out), out.size,
                                        framing == FRAMING_RAW, &data, &len, &consumed),
                             FRAME_MESSAGE);
            assert_int_equal(consumed, out.size);
            message = message_parse(data, len);
            assert_int_equal(message_search_name(&message, name), 0);
            assert_string_equal(name, names[i]);
            buffer_clear(&out);
        }
}

static const struct ReachableRow {
    const char *proves, *text;
    bool valid;
    Reachability reachability;
    const char *endpoint;
} reachable_rows[] = {
    {"yes", "REACHABLE: yes, 192.0.2.7, 5556", true, REACHABLE_YES, "192.0.2.7:5556"},
    {"no, IPv6", "REACHABLE: no, 2001:db8::7, 1", true, REACHABLE_NO, "[2001:db8::7]:1"},
    {"unknown, tight", "REACHABLE:unknown,192.0.2.7,65535", true, REACHABLE_UNKNOWN,
     "192.0.2.7:65535"},
    {"another word", "REACHABLE: maybe, 192.0.2.7, 5556", false, 0, NULL},
    {"the beginning of a word", "REACHABLE: ye, 192.0.2.7, 5556", false, 0, NULL},
    {"nothing", "REACHABLE:", false, 0, NULL},
    {"no address", "REACHABLE: yes", false, 0, NULL},
    {"no port", "REACHABLE: yes, 192.0.2.7", false, 0, NULL},
    {"port 0", "REACHABLE: yes, 192.0.2.7, 0", false, 0, NULL},
    {"a port that is none", "REACHABLE: yes, 192.0.2.7, 65536", false, 0, NULL},
    {"a name", "REACHABLE: yes, localhost, 5556", false, 0, NULL},
    {"something behind it", "REACHABLE: yes, 192.0.2.7, 5556, x", false, 0, NULL},
};

static void test_reachable(void **state _unused_) {
    Buffer out = {};

    for (size_t i = 0; i < ELEMENTSOF(reachable_rows); i++) {
        const struct ReachableRow *row = &reachable_rows[i];
        Message message = message_parse(row->text, strlen(row->text));
        char text[ENDPOINT_TEXT_MAX];
        Reachability reachability;
        Endpoint endpoint;

        ROW(row);
        assert_int_equal(message.kind, MESSAGE_REACHABLE_IS);
        assert_int_equal(message_reachable(&message, &reachability, &endpoint),
                         row->valid ? 0 : -EBADMSG);
        if (!row->valid)
            continue;
        assert_int_equal(reachability, row->reachability);
        endpoint_format(&endpoint, text);
        assert_string_equal(text, row->endpoint);
    }
    for (Reachability i = 0; i < _REACHABILITY_COUNT; i++) {
        Endpoint endpoint = {.port = 5556}, again;
        Reachability parsed;
        Message message;

        assert_int_equal(address_parse("2001:db8::7", 11, &endpoint.address), 0);
        assert_int_equal(message_put_reachable(&out, FRAMING_LINE, i, &endpoint), 0);
        message = message_parse(buffer_data(&out), out.size);
        assert_int_equal(message_reachable(&message, &parsed, &again), 0);
        assert_int_equal(parsed, i);
        assert_true(endpoint_equal(&endpoint, &again));
        buffer_clear(&out);
    }
}

static const struct KeptRow {
    const char *proves, *text;
    bool valid;
    uint64_t n;
} kept_rows[] = {
    {"none", "KEPT: 0", true, 0},
    {"some", "KEPT: 10000", true, 10000},
    {"without the space", "KEPT:5", true, 5},
    {"nothing", "KEPT:", false, 0},
    {"a negative number", "KEPT: -1", false, 0},
    {"something behind it", "KEPT: 5 files", false, 0},
    {"more than there can be", "KEPT: 18446744073709551616", false, 0},
};

static void test_kept(void **state _unused_) {
    Buffer out = {};

    for (size_t i = 0; i < ELEMENTSOF(kept_rows); i++) {
        const struct KeptRow *row = &kept_rows[i];
        Message message = message_parse(row->text, strlen(row->text));
        uint64_t n = 77;

        ROW(row);
        assert_int_equal(message.kind, MESSAGE_KEPT);
        assert_int_equal(message_kept(&message, &n), row->valid ? 0 : -EBADMSG);
        assert_int_equal(n, row->valid ? row->n : 77);
    }
    assert_int_equal(message_put_kept(&out, FRAMING_LINE, 12), 0);
    assert_memory_equal(buffer_data(&out), "KEPT: 12\n", out.size);
    buffer_clear(&out);
    assert_int_equal(message_put_kept(&out, FRAMING_RAW, UINT64_MAX), 0);
    assert_memory_equal(buffer_data(&out), "KEPT: 18446744073709551615", out.size);
    buffer_clear(&out);
}

// The largest answer stays within the receiver's limit (ANSWER_BYTES_MAX).
static void test_largest_answer_fits(void **state _unused_) {
    static Record records[RESULTS_MAX];
    RecordSyntax syntax = record_syntax_own;
    char name[NAME_BYTES_MAX + 1];
    Buffer out = {};

    memset(name, '<', NAME_BYTES_MAX); // each becomes three bytes
    name[NAME_BYTES_MAX] = '\0';
    syntax.named = syntax.full_name = syntax.dotted = syntax.long_year = syntax.rooted = true;
    for (size_t i = 0; i < RESULTS_MAX; i++) {
        records[i] = (Record){
            .name = name,
            .type = "0123456789abcdef0123456789abcdef",
            .size = SIZE_BYTES_MAX,
            .modified = {.year = 2026, .month = 11, .day = 23},
            .endpoint = {.address = {.family = AF_INET6}, .port = 65535},
            .has_root = true,
        };
        memset(&records[i].endpoint.address.v6, 0xff, sizeof(struct in6_addr));
    }
    assert_int_equal(message_put_found(&out, FRAMING_LINE, &syntax, records, RESULTS_MAX), 0);
    assert_in_range(out.size, RESULTS_MAX * 3 * NAME_BYTES_MAX, ANSWER_BYTES_MAX);
    buffer_clear(&out);
    // Four such records fit a line.
    assert_int_equal(message_put_records(&out, FRAMING_LINE, &syntax, records, 4), 0);
    assert_in_range(out.size, 4 * 3 * NAME_BYTES_MAX, LINE_BYTES_MAX);
    buffer_clear(&out);
}

static const struct HeaderRow {
    const char *proves, *data;
    size_t len;
    bool last;
    FileHeaderResult result;
    size_t longest;
} header_rows[] = {
    {"as the seed has it", TEXT("FILE: hello"), false, FILE_HEADER_OK, 6},
    {"no space", TEXT("FILE:hello"), false, FILE_HEADER_OK, 5},
    {"a line", TEXT("FILE:\nhello"), false, FILE_HEADER_OK, 6},
    {"a line with a space", TEXT("FILE: \nhello"), false, FILE_HEADER_OK, 7},
    {"two newlines: the second is the file's", TEXT("FILE:\n\n"), false, FILE_HEADER_OK, 6},
    {"two spaces: the second is the file's", TEXT("FILE:  "), false, FILE_HEADER_OK, 6},
    {"nothing yet", TEXT(""), false, FILE_HEADER_MORE, 0},
    {"the word in pieces", TEXT("FIL"), false, FILE_HEADER_MORE, 0},
    {"white space may follow", TEXT("FILE:"), false, FILE_HEADER_MORE, 0},
    {"a newline may follow", TEXT("FILE: "), false, FILE_HEADER_MORE, 0},
    {"an empty file, at the end", TEXT("FILE:"), true, FILE_HEADER_OK, 5},
    {"an empty file with a space, at the end", TEXT("FILE: "), true, FILE_HEADER_OK, 6},
    {"a cut word", TEXT("FIL"), true, FILE_HEADER_REFUSED, 0},
    {"a close without a word", TEXT(""), true, FILE_HEADER_REFUSED, 0},
    {"a refusal in words", TEXT("NO!"), false, FILE_HEADER_REFUSED, 0},
    {"known at the first byte", TEXT("N"), false, FILE_HEADER_REFUSED, 0},
    {"another word that begins alike", TEXT("FILES"), false, FILE_HEADER_REFUSED, 0},
};

static void test_file_header_parse(void **state _unused_) {
    FileHeader header;

    for (size_t i = 0; i < ELEMENTSOF(header_rows); i++) {
        const struct HeaderRow *row = &header_rows[i];

        ROW(row);
        header = (FileHeader){};
        assert_int_equal(file_header_parse(row->data, row->len, row->last, &header), row->result);
        assert_int_equal(header.longest, row->longest);
    }
    assert_int_equal(file_header_parse(NULL, 0, false, &header), FILE_HEADER_MORE);
    assert_int_equal(file_header_parse(NULL, 0, true, &header), FILE_HEADER_REFUSED);
}

static const struct FitRow {
    const char *proves, *data;
    size_t len;
    uint64_t size;
    int header_len; // -1: does not fit
} fit_rows[] = {
    {"as the seed has it", TEXT("FILE: hello"), 5, 6},
    {"no space", TEXT("FILE:hello"), 5, 5},
    {"a line", TEXT("FILE:\nhello"), 5, 6},
    {"a line with a space", TEXT("FILE: \nhello"), 5, 7},
    {"a file that begins with a space", TEXT("FILE:  hello"), 6, 6},
    {"its first byte, and no header before a space", TEXT("FILE: hello"), 6, -1},
    {"a file that begins with a newline", TEXT("FILE: \nhello"), 6, 6},
    {"two bytes short of it", TEXT("FILE: \nhello"), 7, -1},
    {"no header can be that long", TEXT("FILE: \nhello"), 4, -1},
    {"one byte is missing", TEXT("FILE: hello"), 7, -1},
    {"an empty file", TEXT("FILE: "), 0, 6},
    {"an empty file, no space", TEXT("FILE:"), 0, 5},
    {"an empty file behind a line", TEXT("FILE: \n"), 0, 7},
    {"one byte", TEXT("FILE: x"), 1, 6},
    {"one byte, which is missing", TEXT("FILE: "), 1, -1},
    {"one byte, which is a newline", TEXT("FILE: \n"), 1, 6},
    {"two bytes", TEXT("FILE: xy"), 2, 6},
    {"two bytes, one of which is missing", TEXT("FILE: \n"), 2, -1},
    {"a size that nothing has", TEXT("FILE: "), UINT64_MAX, -1},
};

static void test_file_header_fits(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(fit_rows); i++) {
        const struct FitRow *row = &fit_rows[i];
        size_t header_len = 0;
        FileHeader header;

        ROW(row);
        assert_int_equal(file_header_parse(row->data, row->len, true, &header), FILE_HEADER_OK);
        assert_int_equal(file_header_fits(&header, row->len, row->size, &header_len),
                         row->header_len >= 0);
        if (row->header_len >= 0)
            assert_int_equal(header_len, row->header_len);
    }
}

// A difference below zero must not become a huge file.
static void test_file_header_underflow(void **state _unused_) {
    FileHeader header;
    size_t header_len;

    assert_int_equal(file_header_parse("FILE:", 5, true, &header), FILE_HEADER_OK);
    assert_false(file_header_fits(&header, 4, UINT64_MAX, &header_len));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_search_name),
        cmocka_unit_test(test_search_round_trip),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_reachable),
        cmocka_unit_test(test_largest_answer_fits),
        cmocka_unit_test(test_file_header_parse),
        cmocka_unit_test(test_file_header_fits),
        cmocka_unit_test(test_file_header_underflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
