// SPDX-License-Identifier: MIT

#include <stdio.h>

#include "proto/framing.h"
#include "proto/protocol.h"
#include "test.h"
#include "util/buffer.h"

// Drives a Framer as a session does. A chunk is the result of one read, "~" is silence, and the end
// of the table is a half-close.
typedef struct Feed {
    Framer framer;
    Buffer stream;
    char log[512]; // the messages, each behind a "|"
    FrameResult last;
} Feed;

static void feed_drain(Feed *feed, bool quiet) {
    for (;;) {
        const char *message;
        size_t len, consumed = 0, used = strlen(feed->log);

        feed->last = frame_next(&feed->framer, buffer_data(&feed->stream), feed->stream.size, quiet,
                                &message, &len, &consumed);
        if (feed->last != FRAME_MESSAGE)
            return;
        assert_in_range(consumed, 1, feed->stream.size);
        snprintf(feed->log + used, sizeof(feed->log) - used, "|%.*s", (int)len, message);
        buffer_consume(&feed->stream, consumed);
    }
}

static void feed_bytes(Feed *feed, const char *data, size_t len, bool quiet) {
    assert_int_equal(buffer_append(&feed->stream, data, len), 0);
    feed_drain(feed, quiet);
}

static const struct Row {
    const char *proves;
    const char *chunks[8];
    const char *messages;
    Framing framing;
} rows[] = {
    {"LINE", {"HELLO\n"}, "|HELLO", FRAMING_LINE},
    {"CRLF", {"HELLO\r\n", "BYE\r\n"}, "|HELLO|BYE", FRAMING_LINE},
    {"several lines in one segment", {"HELLO\n<a>\nBYE\n"}, "|HELLO|<a>|BYE", FRAMING_LINE},
    {"a line in pieces",
     {"HEL", "LO", "\nSEA", "RCH: a", " b\n"},
     "|HELLO|SEARCH: a b",
     FRAMING_LINE},
    {"a pause inside HELLO", {"HEL", "~", "LO\n"}, "|HELLO", FRAMING_LINE},
    {"CRLF in two segments", {"HELLO\r", "\n"}, "|HELLO", FRAMING_LINE},
    {"silence inside a line of a LINE session ends nothing that was not begun",
     {"HELLO\n", "~", "BYE\n"},
     "|HELLO|BYE",
     FRAMING_LINE},
    {"a half-close ends the last line", {"HELLO\nBYE"}, "|HELLO|BYE", FRAMING_LINE},
    {"an empty line is an empty message", {"HELLO\n \nBYE\n"}, "|HELLO||BYE", FRAMING_LINE},
    {"the newline comes within the silence: still LINE",
     {"HELLO", "\n<a>\n"},
     "|HELLO|<a>",
     FRAMING_LINE},
    {"a bare HELLO and silence is RAW", {"HELLO", "~"}, "|HELLO", FRAMING_RAW},
    {"a bare HELLO and a half-close is RAW", {"HELLO"}, "|HELLO", FRAMING_RAW},
    {"RAW messages end in silence",
     {"HELLO", "~", "<a>;<b>", "~", "SEARCH: a", "~"},
     "|HELLO|<a>;<b>|SEARCH: a",
     FRAMING_RAW},
    {"a RAW message in pieces",
     {"HELLO", "~", "SEA", "RCH: ", "a", "~"},
     "|HELLO|SEARCH: a",
     FRAMING_RAW},
    {"a RAW message may hold lines", {"HELLO", "~", "a\nb\n", "~"}, "|HELLO|a\nb", FRAMING_RAW},
    {"RAW that does not wait for HI", {"HELLO<a>", "~"}, "|HELLO|<a>", FRAMING_RAW},
    {"nor for anything", {"HELLO<a>;<b>SEARCH: x", "~"}, "|HELLO|<a>;<b>|SEARCH: x", FRAMING_RAW},
    {"RAW with words on lines of their own",
     {"HELLO", "~", "<a>\nSEARCH: x\nSEARCH: y\nBYE", "~"},
     "|HELLO|<a>|SEARCH: x|SEARCH: y|BYE",
     FRAMING_RAW},
    {"RAW, white space before the records",
     {"HELLO", "~", " <a> BYE", "~"},
     "|HELLO|<a>|BYE",
     FRAMING_RAW},
    {"a bracket too many", {"HELLO", "~", "<a> >BYE", "~"}, "|HELLO|<a> >|BYE", FRAMING_RAW},
    {"a word inside a record is part of it",
     {"HELLO", "~", "<BYE,1>;<SEARCH: a>", "~"},
     "|HELLO|<BYE,1>;<SEARCH: a>",
     FRAMING_RAW},
    {"a name may begin like a word",
     {"HELLO", "~", "a,1\nBYEBYE,1", "~"},
     "|HELLO|a,1\nBYEBYE,1",
     FRAMING_RAW},
    {"a name may hold '>'",
     {"HELLO", "~", "SEARCH: a>BYE", "~"},
     "|HELLO|SEARCH: a>BYE",
     FRAMING_RAW},
    {"DOWNLOAD in RAW",
     {"DOWNLOAD: report,.txt,11", "~"},
     "|DOWNLOAD: report,.txt,11",
     FRAMING_RAW},
    {"nothing at all decides nothing", {"~"}, "", FRAMING_UNKNOWN},
};

static void feed_row(const struct Row *row, bool bytewise) {
    Feed feed = {};

    for (size_t i = 0; i < ELEMENTSOF(row->chunks) && row->chunks[i]; i++) {
        const char *chunk = row->chunks[i];

        if (strcmp(chunk, "~") == 0 && feed.last != FRAME_MORE)
            feed_drain(&feed, true);
        else if (strcmp(chunk, "~") != 0 && bytewise)
            for (const char *p = chunk; *p; p++)
                feed_bytes(&feed, p, 1, false);
        else if (strcmp(chunk, "~") != 0)
            feed_bytes(&feed, chunk, strlen(chunk), false);
    }
    feed_drain(&feed, true);
    assert_string_equal(feed.log, row->messages);
    assert_int_equal(feed.framer.framing, row->framing);
    assert_int_equal(feed.stream.size, 0);
}

static void test_chunks(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        ROW(&rows[i]);
        feed_row(&rows[i], false);
    }
}

static void test_byte_by_byte(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        ROW(&rows[i]);
        feed_row(&rows[i], true);
    }
}

// Whether the caller must start its timer.
static void test_more_or_quiet(void **state _unused_) {
    Feed line = {}, raw = {};

    feed_drain(&line, false);
    assert_int_equal(line.last, FRAME_MORE); // nothing has arrived
    feed_bytes(&line, "HELLO", 5, false);
    assert_int_equal(line.last, FRAME_MORE_OR_QUIET); // LINE or RAW?
    assert_int_equal(line.framer.framing, FRAMING_UNKNOWN);
    feed_bytes(&line, "\nSEA", 4, false);
    assert_int_equal(line.last, FRAME_MORE); // only a newline ends a line
    buffer_clear(&line.stream);

    feed_bytes(&raw, "HELLO", 5, true);
    assert_int_equal(raw.last, FRAME_MORE);
    feed_bytes(&raw, "SEARCH: a", 9, false);
    assert_int_equal(raw.last, FRAME_MORE_OR_QUIET);
    buffer_clear(&raw.stream);
}

static const struct LimitRow {
    const char *proves;
    FrameSource source;
    Framing framing;
    size_t max; // bytes of the longest accepted message, without its newline
} limit_rows[] = {
    {"a peer's line", FRAME_FROM_PEER, FRAMING_LINE, LINE_BYTES_MAX - 1},
    {"a peer's first message", FRAME_FROM_PEER, FRAMING_UNKNOWN, LINE_BYTES_MAX - 1},
    {"a peer's RAW message", FRAME_FROM_PEER, FRAMING_RAW, RAW_BYTES_MAX},
    {"an FT's line", FRAME_FROM_FT, FRAMING_LINE, ANSWER_BYTES_MAX - 1},
    {"an FT's RAW message", FRAME_FROM_FT, FRAMING_RAW, ANSWER_BYTES_MAX},
};

static void test_limits(void **state _unused_) {
    static char data[ANSWER_BYTES_MAX + 2];

    for (size_t i = 0; i < ELEMENTSOF(limit_rows); i++) {
        const struct LimitRow *row = &limit_rows[i];
        bool raw = row->framing == FRAMING_RAW;
        Framer framer = {.source = row->source, .framing = row->framing};
        const char *message;
        size_t len, consumed;

        ROW(row);
        memset(data, 'x', sizeof(data));
        // A message of the maximum length,
        if (!raw)
            data[row->max] = '\n';
        assert_int_equal(frame_next(&framer, data, row->max + !raw, raw, &message, &len, &consumed),
                         FRAME_MESSAGE);
        assert_int_equal(len, row->max);
        // one with one more byte, although it is complete,
        framer.framing = row->framing;
        data[row->max] = 'x';
        data[row->max + 1] = '\n';
        assert_int_equal(frame_next(&framer, data, row->max + 2, true, &message, &len, &consumed),
                         FRAME_TOO_LONG);
        // and one that never ends.
        framer.framing = row->framing;
        assert_int_equal(frame_next(&framer, data, row->max + 1, false, &message, &len, &consumed),
                         FRAME_TOO_LONG);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_more_or_quiet),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
