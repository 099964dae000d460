// SPDX-License-Identifier: MIT

// Input: the number of sessions, and what follows the header of a state. A state that is accepted
// must have only possible values, and must mean the same after it was written again.

#include <string.h>

#include "ft/ft-state.h"
#include "fuzz.h"
#include "proto/name.h"
#include "util/macro.h"

static void check_endpoint(const Endpoint *endpoint) {
    CHECK(endpoint->address.family == AF_INET || endpoint->address.family == AF_INET6);
    CHECK(endpoint->port > 0);
}

static void check_record(const Record *record) {
    CHECK(name_is_valid(record->name, strlen(record->name)));
    CHECK(type_is_valid(record->type, strlen(record->type)));
    CHECK(record->size <= SIZE_BYTES_MAX);
    CHECK(record->modified.month >= 1 && record->modified.month <= 12);
    CHECK(record->modified.day >= 1 && record->modified.day <= 31);
    check_endpoint(&record->endpoint);
}

static void check_session(const SavedSession *saved, const uint8_t *data, size_t size) {
    const uint8_t *in = (const uint8_t *)saved->in, *out = (const uint8_t *)saved->out;

    check_endpoint(&saved->remote);
    if (saved->state == SESSION_ACCEPTED)
        check_endpoint(&saved->endpoint);
    CHECK(saved->state <= SESSION_REJECTED && saved->framing <= FRAMING_RAW);
    CHECK(saved->state == SESSION_ACCEPTED || saved->record_count == 0);
    CHECK(saved->record_count <= FILES_PER_PEER_MAX);
    CHECK(in >= data && in + saved->in_len <= data + size);
    CHECK(out >= data && out + saved->out_len <= data + size);
    for (size_t i = 0; i < _FIELD_COUNT; i++)
        CHECK(saved->syntax.order[i] < _FIELD_COUNT);
    CHECK(strnlen(saved->syntax.list_separator, sizeof(saved->syntax.list_separator)) <
          sizeof(saved->syntax.list_separator));
}

// What was written since `from` must equal the bytes that were read.
static void check_same(const StateWriter *writer, size_t from, const uint8_t *begin,
                       const uint8_t *end) {
    const size_t len = end - begin;

    CHECK(writer->pending.size - from == len);
    CHECK(len == 0 || memcmp(buffer_data(&writer->pending) + from, begin, len) == 0);
}

static void check_rewritten_session(const SavedSession *saved, const uint8_t *begin,
                                    const uint8_t *end) {
    StateWriter writer = {.fd = -EBADF};

    if (end - begin < 100 * 1024) { // otherwise it would be written to the fd
        CHECK(state_write_session(&writer, saved) >= 0);
        check_same(&writer, 0, begin, end);
    }
    state_writer_done(&writer);
}

static void check_rewritten_record(const Record *record, const uint8_t *begin, const uint8_t *end) {
    StateWriter writer = {.fd = -EBADF};

    CHECK(state_write_record(&writer, record) >= 0);
    check_same(&writer, 0, begin, end);
    state_writer_done(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    StateReader reader;
    SavedSession saved;
    RecordText text;
    Record record;

    if (size > 0) {
        reader = (StateReader){.data = data + 1, .len = size - 1, .sessions = data[0]};
        for (;;) {
            const uint8_t *begin = reader.data;

            if (state_read_session(&reader, &saved) <= 0)
                break;
            check_session(&saved, data, size);
            check_rewritten_session(&saved, begin, reader.data);
            begin = reader.data;
            while (state_read_record(&reader, &text, &record) > 0) {
                check_record(&record);
                check_rewritten_record(&record, begin, reader.data);
                begin = reader.data;
            }
        }
    }
    (void)state_read_begin(&reader, data, size);
    return 0;
}
