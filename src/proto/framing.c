// SPDX-License-Identifier: MIT

#include "proto/framing.h"

#include <string.h>

#include "proto/protocol.h"
#include "proto/space.h"
#include "util/macro.h"

static bool frame_starts_with(const char *data, size_t len, const char *word) {
    return len >= strlen(word) && memcmp(data, word, strlen(word)) == 0;
}

static FrameResult frame_result_message(const char *data, size_t len, size_t consumed,
                                        const char **ret, size_t *ret_len, size_t *ret_consumed) {
    while (len > 0 && is_space(data[len - 1]))
        len--;
    while (len > 0 && is_space(*data)) {
        data++;
        len--;
    }
    *ret = data;
    *ret_len = len;
    *ret_consumed = consumed;
    return FRAME_MESSAGE;
}

static size_t frame_line_max(const Framer *framer) {
    return framer->source == FRAME_FROM_FT ? ANSWER_BYTES_MAX : framer->line_max ?: LINE_BYTES_MAX;
}

static size_t frame_raw_max(const Framer *framer) {
    return framer->source == FRAME_FROM_FT ? ANSWER_BYTES_MAX : RAW_BYTES_MAX;
}

static FrameResult frame_next_line(const Framer *framer, const char *data, size_t len, bool quiet,
                                   const char **ret, size_t *ret_len, size_t *ret_consumed) {
    const char *newline = len > 0 ? memchr(data, '\n', MIN(len, frame_line_max(framer))) : NULL;

    if (newline)
        return frame_result_message(data, newline - data, newline - data + 1, ret, ret_len,
                                    ret_consumed);
    if (len >= frame_line_max(framer))
        return FRAME_TOO_LONG;
    // A LINE peer may half-close without ending its last line.
    if (quiet && len > 0)
        return frame_result_message(data, len, len, ret, ret_len, ret_consumed);
    return FRAME_MORE;
}

static bool frame_is_word(const char *data, size_t len) {
    size_t bye = strlen(WORD_BYE);

    if (frame_starts_with(data, len, WORD_BYE))
        return len == bye || is_space(data[bye]);
    return frame_starts_with(data, len, WORD_SEARCH) || frame_starts_with(data, len, WORD_REMOVE);
}

// Returns the length of the first message. Several may arrive at once. A newline ends one if a word
// follows. So does the '>' of the last record, even without a newline.
static size_t frame_raw_message_len(const char *data, size_t len) {
    bool records = false;
    size_t i = 0;

    while (i < len && is_space(data[i]))
        i++;
    records = i < len && data[i] == '<';
    for (; i < len; i++) {
        size_t word = i + 1;

        if (data[i] != '\n' && !(records && data[i] == '>'))
            continue;
        while (word < len && is_space(data[word]))
            word++;
        if (frame_is_word(data + word, len - word))
            return i + 1;
        i = word - 1;
    }
    return len;
}

static FrameResult frame_next_raw(const Framer *framer, const char *data, size_t len, bool quiet,
                                  const char **ret, size_t *ret_len, size_t *ret_consumed) {
    if (len > frame_raw_max(framer))
        return FRAME_TOO_LONG;
    if (len == 0)
        return FRAME_MORE;
    if (!quiet)
        return FRAME_MORE_OR_QUIET;
    len = frame_raw_message_len(data, len);
    return frame_result_message(data, len, len, ret, ret_len, ret_consumed);
}

// HELLO, then something other than white space: a RAW peer that did not wait for HI.
static bool frame_raw_hello(const char *data, size_t len) {
    size_t n = strlen(WORD_HELLO);

    return frame_starts_with(data, len, WORD_HELLO) && len > n && !is_space(data[n]);
}

// A part of HELLO. The rest will come, however long that takes.
static bool frame_hello_begins(const char *data, size_t len) {
    return len > 0 && len < strlen(WORD_HELLO) && memcmp(data, WORD_HELLO, len) == 0;
}

FrameResult frame_next(Framer *framer, const char *data, size_t len, bool quiet, const char **ret,
                       size_t *ret_len, size_t *ret_consumed) {
    if (framer->framing == FRAMING_UNKNOWN) {
        if (frame_raw_hello(data, len)) {
            framer->framing = FRAMING_RAW;
            return frame_result_message(data, strlen(WORD_HELLO), strlen(WORD_HELLO), ret, ret_len,
                                        ret_consumed);
        }
        if ((len > 0 && memchr(data, '\n', len)) || len >= frame_line_max(framer))
            framer->framing = FRAMING_LINE;
        else if (frame_hello_begins(data, len))
            return FRAME_MORE;
        else if (quiet && len > 0)
            framer->framing = FRAMING_RAW;
        else
            return len > 0 ? FRAME_MORE_OR_QUIET : FRAME_MORE;
    }
    if (framer->framing == FRAMING_LINE)
        return frame_next_line(framer, data, len, quiet, ret, ret_len, ret_consumed);
    return frame_next_raw(framer, data, len, quiet, ret, ret_len, ret_consumed);
}
