// SPDX-License-Identifier: MIT
#pragma once

// Finds where a message ends. Pure: bytes in, a view of the next message out. The side that
// connects decides the framing with its first message (protocol.h). A message may arrive in any
// number of reads.

#include <stdbool.h>
#include <stddef.h>

typedef enum Framing {
    FRAMING_UNKNOWN, // no complete message has arrived
    FRAMING_LINE,
    FRAMING_RAW,
} Framing;

// Who wrote the bytes, which decides their limits.
typedef enum FrameSource {
    FRAME_FROM_PEER, // LINE_BYTES_MAX, RAW_BYTES_MAX
    FRAME_FROM_FT,   // ANSWER_BYTES_MAX
} FrameSource;

typedef struct Framer {
    FrameSource source;
    Framing framing;
    unsigned line_max; // bytes of a line from a peer; 0: LINE_BYTES_MAX
} Framer;

typedef enum FrameResult {
    FRAME_MESSAGE, // a complete message
    FRAME_MORE,    // incomplete: more bytes are needed
    // Complete if nothing more arrives for a while. Then call again with `quiet`.
    FRAME_MORE_OR_QUIET,
    FRAME_TOO_LONG, // over the limit: close the connection
} FrameResult;

// Finds the next message in data. `quiet`: nothing has arrived for the silence that applies
// (SILENCE_*), or the other side has half-closed. On FRAME_MESSAGE, *ret is the message without its
// line end and outer white space (maybe empty), and *ret_consumed (> 0) says how many bytes to
// drop. The first message decides framer->framing.
FrameResult frame_next(Framer *framer, const char *data, size_t len, bool quiet, const char **ret,
                       size_t *ret_len, size_t *ret_consumed);
