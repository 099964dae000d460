// SPDX-License-Identifier: MIT
#pragma once

// One TCP connection: bytes in as views, bytes out through a bounded queue, one timeout. All
// callbacks run from the loop. Embed it in the object that owns the connection.
//
//            stream_connect()                     stream_accept()
//                  │                                    │
//                  ▼      on_connected                  ▼
//             connecting ───────────────────────────► open ──on_data, on_timeout──┐
//                  │                                    │ ▲───────────────────────┘
//                  │ error                              │ a callback < 0, an error, the queue over
//                  ▼                                    ▼ its limit, both directions finished
//                on_closed (once, last; the owner may free the stream there)
//
// The owner may call stream_close() at any time outside of on_data, on_connected and on_timeout, and
// then on_closed is not called. Inside of them it returns a negative errno instead.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "net/poller.h"
#include "util/address.h"
#include "util/buffer.h"

typedef struct Stream Stream;
typedef struct StreamWork StreamWork;

typedef struct StreamOps {
    // All bytes that have arrived and were not consumed; `eof`: no more will come. Sets *ret_consumed
    // (<= len). What is written meanwhile leaves as one. 0, or a negative errno to close.
    int (*on_data)(Stream *stream, const char *data, size_t len, bool eof, size_t *ret_consumed);
    // 0 or a negative errno; NULL = -ETIMEDOUT.
    int (*on_timeout)(Stream *stream);
    // Only for stream_connect().
    int (*on_connected)(Stream *stream);
    // error: 0 = both sides are finished, else a negative errno.
    void (*on_closed)(Stream *stream, int error);
} StreamOps;

struct Stream {
    PollWatch watch;
    const StreamOps *ops;
    Poller *poller;
    StreamWork *work; // NULL: nothing is under way
    Endpoint remote;
    uint32_t out_max;
    int fd; // owned; -EBADF once closed or taken
};

// Takes over an accepted, non-blocking fd, whatever the result. 0 or -errno.
int stream_accept(Stream *stream, Poller *poller, const StreamOps *ops, int fd,
                  const Endpoint *remote, size_t out_max);

// Begins to connect. 0 or -errno; a refused connection may also come through on_closed.
int stream_connect(Stream *stream, Poller *poller, const StreamOps *ops, const Endpoint *remote,
                   size_t out_max);

// Calls on_timeout once after `usec`; 0 = never.
int stream_set_timeout(Stream *stream, uint64_t usec);

// Lets TCP find out that the other side has died, within 120 to 135 s: for connections that may be silent for hours.
void stream_keep_alive(Stream *stream);

// Where to append what shall be sent; valid until the next call with this stream. stream_flush() sends it; on_data and
// on_connected flush by themselves. 0 or -errno; -ENOBUFS = more than out_max is waiting, or all streams hold more than
// poller_set_held_max(), and this one is not one of the small ones.
Buffer *stream_out(Stream *stream);
int stream_flush(Stream *stream);

// What is waiting: to be sent, and to be consumed. Empty ones are returned as such, too.
const Buffer *stream_unsent(const Stream *stream);
const Buffer *stream_unconsumed(const Stream *stream);

// Sends it when all connections of the poller's batch have been served. A receiver on this machine that is awake for the
// first answer takes the others as they come; to wake it up for each costs as much as to find what it asked for.
void stream_flush_later(Stream *stream);

// Closes, with on_closed, when no callback of this stream runs.
void stream_fail_later(Stream *stream, int error);

// Runs on_data again on what has not been consumed: for a silence that completes a message.
int stream_reconsider(Stream *stream);

// As if these bytes had arrived, and not been consumed. 0 or -ENOMEM.
int stream_restore(Stream *stream, const void *data, size_t len);

// Each from on_data or on_timeout: reads no more from the end of the callback that runs (on_data may still be called where
// the other side goes away), until ...
// ... for stream_pause(), one of the others is called;
void stream_pause(Stream *stream);
// ... for stream_yield(), it is its turn (poller_wait_turn());
void stream_yield(Stream *stream);
// ... for stream_hold(), the other side has taken all that has been written. If it takes nothing for some seconds, that ends
// with -ENOBUFS. The stream's timeout is used for it.
int stream_hold(Stream *stream); // 0 or -errno
// Then on_data gets what has not been consumed.
bool stream_is_on_hold(const Stream *stream);

// Hands the socket over, without unsent and unconsumed bytes; the stream is closed then.
int stream_take_fd(Stream *stream);

// Frees all it holds. Harmless on a closed or zeroed-with-STREAM_INIT stream.
void stream_close(Stream *stream);

#define STREAM_INIT \
    { .watch = {.fd = -EBADF}, .fd = -EBADF }
