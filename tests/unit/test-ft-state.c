// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ft/ft-state.h"
#include "test.h"

enum {
    SESSIONS = 3,
};

static const Endpoint v4 = {.address = {.family = AF_INET, .v4.s_addr = 0x0100007f}, .port = 5556};
static const Endpoint v6 = {
    .address = {.family = AF_INET6, .v6.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 7}}, .port = 65535};

static Record records[] = {
    {.name = "report", .type = "txt", .size = 11, .modified = {2026, 11, 23}},
    {.name = TEXT_255,
     .type = "0123456789abcdef0123456789abcdef",
     .size = SIZE_BYTES_MAX,
     .modified = {9999, 12, 31},
     .has_root = true},
};

static SavedSession session(size_t i) {
    SavedSession saved = {
        .remote = i == 1 ? v6 : v4,
        .state = i == 0   ? SESSION_ACCEPTED
                 : i == 1 ? SESSION_CONNECTED
                          : SESSION_REJECTED,
        .framing = i == 0 ? FRAMING_RAW : FRAMING_UNKNOWN,
        .deadline = 1000 + i,
        .since = 2000 + i,
        .probed_at = UINT64_MAX - i,
        .in = "SEARCH: re",
        .in_len = i == 0 ? 10 : 0,
        .out = "FOUND: <\0",
        .out_len = i == 0 ? 9 : 0,
    };

    if (i == 0) {
        saved.syntax = record_syntax_authors;
        saved.syntax.rooted = saved.asks_reachable = saved.probing = true;
        saved.reachability = REACHABLE_NO;
        saved.record_count = ELEMENTSOF(records);
        saved.endpoint = v6;
    }
    return saved;
}

typedef struct State {
    uint8_t *data; // a copy of exactly that length
    size_t len;
} State;

static State write_state(void) {
    StateWriter writer;
    State state;
    int fd;

    records[0].endpoint = v4;
    records[1].endpoint = v6;
    memset(&records[1].root, 0xa5, sizeof(records[1].root));
    assert_int_equal(state_writer_init(&writer), 0);
    for (size_t i = 0; i < SESSIONS; i++) {
        const SavedSession saved = session(i);

        assert_int_equal(state_write_session(&writer, &saved), 0);
        for (size_t k = 0; k < saved.record_count; k++)
            assert_int_equal(state_write_record(&writer, &records[k]), 0);
    }
    fd = state_writer_finish(&writer);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GET_SEALS),
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    state_writer_done(&writer);
    state.len = lseek(fd, 0, SEEK_END);
    state.data = malloc(state.len);
    assert_non_null(state.data);
    assert_int_equal(pread(fd, state.data, state.len, 0), state.len);
    close(fd);
    return state;
}

static void assert_same_record(const Record *a, const Record *b) {
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->type, b->type);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->modified.year, b->modified.year);
    assert_int_equal(a->modified.month, b->modified.month);
    assert_int_equal(a->modified.day, b->modified.day);
    assert_true(endpoint_equal(&a->endpoint, &b->endpoint));
    assert_int_equal(a->has_root, b->has_root);
    assert_true(merkle_hash_equal(&a->root, &b->root));
}

static void assert_same_session(const SavedSession *a, const SavedSession *b) {
    assert_true(endpoint_equal(&a->remote, &b->remote));
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->framing, b->framing);
    assert_memory_equal(&a->syntax, &b->syntax, sizeof(a->syntax));
    assert_int_equal(a->deadline, b->deadline);
    assert_int_equal(a->since, b->since);
    assert_int_equal(a->probed_at, b->probed_at);
    assert_int_equal(a->reachability, b->reachability);
    assert_int_equal(a->asks_reachable, b->asks_reachable);
    assert_int_equal(a->probing, b->probing);
    assert_int_equal(a->in_len, b->in_len);
    assert_memory_equal(a->in, b->in, a->in_len);
    assert_int_equal(a->out_len, b->out_len);
    assert_memory_equal(a->out, b->out, a->out_len);
    assert_int_equal(a->record_count, b->record_count);
    assert_true(endpoint_equal(&a->endpoint, &b->endpoint));
}

static void test_round_trip(void **unused _unused_) {
    State state = write_state();
    StateReader reader;
    SavedSession saved;
    RecordText text;
    Record record;

    assert_int_equal(state_read_begin(&reader, state.data, state.len), 0);
    for (size_t i = 0; i < SESSIONS; i++) {
        const SavedSession expected = session(i);

        assert_int_equal(state_read_session(&reader, &saved), 1);
        assert_same_session(&expected, &saved);
        for (size_t k = 0; k < saved.record_count; k++) {
            assert_int_equal(state_read_record(&reader, &text, &record), 1);
            assert_same_record(&records[k], &record);
        }
        assert_int_equal(state_read_record(&reader, &text, &record), 0);
    }
    assert_int_equal(state_read_session(&reader, &saved), 0);
    free(state.data);
}

// Reads all sessions and records. 0, or -EBADMSG on the first error.
static int read_all(StateReader reader) {
    SavedSession saved;
    RecordText text;
    Record record;
    int r;

    while ((r = state_read_session(&reader, &saved)) > 0) {
        while ((r = state_read_record(&reader, &text, &record)) > 0)
            ;
        if (r < 0)
            return r;
    }
    return r;
}

static void test_damaged(void **unused _unused_) {
    State state = write_state();
    StateReader reader;

    for (size_t len = 0; len < state.len; len++) {
        uint8_t *part = malloc(len ?: 1); // lets a sanitizer detect reads past its end

        assert_non_null(part);
        memcpy(part, state.data, len);
        assert_int_equal(state_read_begin(&reader, part, len), -EBADMSG);
        // Make the hash right.
        if (len >= sizeof(StateHeader)) {
            reader = (StateReader){
                .data = part + sizeof(StateHeader),
                .len = len - sizeof(StateHeader),
                .sessions = SESSIONS,
            };
            assert_int_equal(read_all(reader), -EBADMSG);
        }
        free(part);
    }
    for (size_t i = 0; i < state.len; i++) {
        state.data[i] ^= 0x40;
        assert_true(state_read_begin(&reader, state.data, state.len) < 0 ||
                    // Only what follows can confirm the number of sessions.
                    read_all(reader) < 0);
        state.data[i] ^= 0x40;
    }
    free(state.data);
}

static void test_version(void **unused _unused_) {
    State state = write_state();
    StateHeader header;
    StateReader reader;

    memcpy(&header, state.data, sizeof(header));
    header.version = STATE_VERSION + 1;
    memcpy(state.data, &header, sizeof(header));
    assert_int_equal(state_read_begin(&reader, state.data, state.len), -EPROTONOSUPPORT);
    free(state.data);
}

static void test_impossible(void **unused _unused_) {
    static const struct Row {
        const char *proves;
        SavedSession saved;
    } rows[] = {
        {"no such state", {.state = SESSION_REJECTED + 1}},
        {"no such framing", {.framing = FRAMING_RAW + 1}},
        {"no such result of a probe", {.reachability = _REACHABILITY_COUNT}},
        {"accepted and never understood", {.state = SESSION_ACCEPTED}},
        {"accepted without a syntax", {.state = SESSION_ACCEPTED, .framing = FRAMING_LINE}},
        {"records of one that is not accepted", {.record_count = 1}},
        {"asks before it is accepted", {.asks_reachable = true}},
        {"a field that there is not", {.syntax.order = {0, 1, 2, 3, _FIELD_COUNT}}},
        {"a field that there is not, and the first one",
         {.state = SESSION_ACCEPTED,
          .framing = FRAMING_LINE,
          .syntax.order = {0, _FIELD_COUNT + 54, 0, 0, 0}}},
        {"a field twice", {.syntax.order = {0, 1, 2, 3, 3}}},
        {"a separator without an end", {.syntax.list_separator = {'a', 'b', 'c'}}},
        {"more records than allowed",
         {.state = SESSION_ACCEPTED,
          .framing = FRAMING_LINE,
          .syntax.order = {0, 1, 2, 3, 4},
          .record_count = FILES_PER_PEER_MAX + 1}},
        {"published at no port",
         {.state = SESSION_ACCEPTED,
          .framing = FRAMING_LINE,
          .syntax.order = {0, 1, 2, 3, 4},
          .endpoint.address.family = AF_INET}},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        SavedSession saved = rows[i].saved, read;
        StateReader reader = {.sessions = 1};
        StateWriter writer;

        ROW(&rows[i]);
        saved.remote = v4;
        if (saved.endpoint.address.family == AF_UNSPEC)
            saved.endpoint = v4;
        assert_int_equal(state_writer_init(&writer), 0);
        assert_int_equal(state_write_session(&writer, &saved), 0);
        reader.data = (const uint8_t *)buffer_data(&writer.pending);
        reader.len = writer.pending.size;
        assert_int_equal(state_read_session(&reader, &read), -EBADMSG);
        state_writer_done(&writer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_impossible),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
