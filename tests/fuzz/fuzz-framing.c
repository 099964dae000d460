// SPDX-License-Identifier: MIT

// Input: 'F' (FT writes) or another byte (a peer writes), a byte that seeds the splits, the stream.
// However the network splits a stream, it must yield the same messages.

#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "proto/framing.h"
#include "util/buffer.h"

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Takes all complete messages and writes each to `log` with its length. False: too long.
static bool drain(Framer *framer, Buffer *stream, bool quiet, Buffer *log) {
    for (;;) {
        const char *begin = buffer_data(stream), *message = NULL;
        size_t len = 0, consumed = 0;
        FrameResult result;

        result = frame_next(framer, begin, stream->size, quiet, &message, &len, &consumed);
        if (result == FRAME_TOO_LONG)
            return false;
        if (result != FRAME_MESSAGE) {
            CHECK(!quiet || stream->size == 0);
            return true;
        }
        CHECK(framer->framing != FRAMING_UNKNOWN);
        CHECK(consumed > 0 && consumed <= stream->size);
        CHECK(message >= begin && message + len <= begin + consumed);
        CHECK(len == 0 || (!is_space(message[0]) && !is_space(message[len - 1])));
        CHECK(buffer_append(log, &len, sizeof(len)) >= 0);
        CHECK(buffer_append(log, message, len) >= 0);
        buffer_consume(stream, consumed);
    }
}

// `seed` 0: delivers all at once. `pauses`: adds silences within the stream.
static bool feed(FrameSource source, const uint8_t *data, size_t size, uint32_t seed, bool pauses,
                 Buffer *log) {
    Framer framer = {.source = source};
    Buffer stream = {};
    bool ok = true;

    while (size > 0 && ok) {
        size_t n = seed ? 1 + next_random(&seed) % 64 : size;

        if (n > size)
            n = size;
        CHECK(buffer_append(&stream, data, n) >= 0);
        data += n;
        size -= n;
        ok = drain(&framer, &stream, pauses && next_random(&seed) % 4 == 0, log);
    }
    ok = ok && drain(&framer, &stream, true, log);
    buffer_clear(&stream);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Buffer whole = {}, parts = {}, paused = {};
    FrameSource source;
    bool ok;

    if (size < 2)
        return 0;
    source = data[0] == 'F' ? FRAME_FROM_FT : FRAME_FROM_PEER;
    ok = feed(source, data + 2, size - 2, 0, false, &whole);
    CHECK(feed(source, data + 2, size - 2, data[1] + 1u, false, &parts) == ok);
    CHECK(whole.size == parts.size);
    CHECK(whole.size == 0 || memcmp(buffer_data(&whole), buffer_data(&parts), whole.size) == 0);
    (void)feed(source, data + 2, size - 2, data[1] + 1u, true, &paused);

    buffer_clear(&whole);
    buffer_clear(&parts);
    buffer_clear(&paused);
    return 0;
}
