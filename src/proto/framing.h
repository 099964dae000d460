// SPDX-License-Identifier: MIT
#pragma once

// Where one message ends. Pure: bytes in, a view of the next message out. The side that connects
// decides the framing with its first message (protocol.h); nothing here assumes that one read is one
// message.

#include <stdbool.h>
#include <stddef.h>

typedef enum Framing {
    FRAMING_UNKNOWN, // nothing complete has arrived yet
    FRAMING_LINE,
    FRAMING_RAW,
} Framing;

// Who wrote the bytes: their limits differ.
typedef enum FrameSource {
    FRAME_FROM_PEER, // LINE_BYTES_MAX, RAW_BYTES_MAX
    FRAME_FROM_FT,   // ANSWER_BYTES_MAX
} FrameSource;

typedef struct Framer {
    FrameSource source;
    Framing framing;
    unsigned line_max; // bytes of a line of a peer; 0 = LINE_BYTES_MAX
} Framer;

typedef enum FrameResult {
    FRAME_MESSAGE,       // a message is there
    FRAME_MORE,          // not complete; more bytes are needed
    FRAME_MORE_OR_QUIET, // complete if nothing more arrives for a while: call again with `quiet`
    FRAME_TOO_LONG,      // over the limit: drop the connection
} FrameResult;

// Looks for the next message in data. `quiet`: nothing has arrived for the silence that applies
// (SILENCE_*), or the other side half-closed. On FRAME_MESSAGE *ret is the message without its line end
// and outer white space (maybe empty), *ret_consumed (> 0) the bytes to drop; framer->framing is decided
// by the first message.
FrameResult frame_next(Framer *framer, const char *data, size_t len, bool quiet, const char **ret,
                       size_t *ret_len, size_t *ret_consumed);
