// SPDX-License-Identifier: MIT
#pragma once

// One TCP connection: input as views, output through a bounded queue, one timeout. All callbacks
// run from the loop. Embed it in the object that owns the connection.
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
// The owner may call stream_close() at any time, except in on_data, on_connected and on_timeout;
// on_closed is not called then. Inside these callbacks the owner returns a negative errno instead.

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
    // Gets all input that was not consumed before. `eof`: no more will come. Sets *ret_consumed (<=
    // len). What it writes is sent together when it returns. 0, or a negative errno to close.
    int (*on_data)(Stream *stream, const char *data, size_t len, bool eof, size_t *ret_consumed);
    // 0 or a negative errno. NULL stands for -ETIMEDOUT.
    int (*on_timeout)(Stream *stream);
    // Only for stream_connect().
    int (*on_connected)(Stream *stream);
    // error: 0 if both directions are finished, else a negative errno.
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

// Takes ownership of an accepted, non-blocking fd in any case. 0 or -errno.
int stream_accept(Stream *stream, Poller *poller, const StreamOps *ops, int fd,
                  const Endpoint *remote, size_t out_max);

// Starts to connect. 0 or -errno. A refused connection may also be reported through on_closed.
int stream_connect(Stream *stream, Poller *poller, const StreamOps *ops, const Endpoint *remote,
                   size_t out_max);

// Calls on_timeout once after `usec`. 0: never.
int stream_set_timeout(Stream *stream, uint64_t usec);

// For connections that may be silent for hours: lets TCP detect a dead peer within 120 to 135 s.
void stream_keep_alive(Stream *stream);

// The buffer to append output to. Valid until the next call with this stream. stream_flush() sends
// it; on_data and on_connected flush by themselves. 0 or -errno. -ENOBUFS: more than out_max is
// waiting, or all streams hold more than poller_set_held_max() and this one is not small.
Buffer *stream_out(Stream *stream);
int stream_flush(Stream *stream);

// Output that is not sent, and input that is not consumed. Never NULL.
const Buffer *stream_unsent(const Stream *stream);
const Buffer *stream_unconsumed(const Stream *stream);

// Sends at the end of the poller's batch. Waking a receiver on this machine costs as much as a
// lookup. One that the first answer has woken takes the others as they come.
void stream_flush_later(Stream *stream);

// Closes the stream through on_closed, when none of its callbacks runs.
void stream_fail_later(Stream *stream, int error);

// Runs on_data again on input that was not consumed, after a silence that completes a message.
int stream_reconsider(Stream *stream);

// Adds input as if it had arrived and was not consumed. 0 or -ENOMEM.
int stream_restore(Stream *stream, const void *data, size_t len);

// Call these from on_data or on_timeout. They stop reading when the callback returns, though
// on_data may still be called if the other side disconnects. Reading resumes, with on_data for what
// was not consumed:
//
// stream_pause(): when one of the other two is called.
void stream_pause(Stream *stream);
// stream_yield(): when it is this stream's turn (poller_wait_turn()).
void stream_yield(Stream *stream);
// stream_hold(): when the other side has taken all output. If it takes nothing for some seconds,
// the stream ends with -ENOBUFS. This uses the stream's timeout.
int stream_hold(Stream *stream); // 0 or -errno
bool stream_is_on_hold(const Stream *stream);

// Closes the stream but not its socket, which the caller owns then. Unsent and unconsumed bytes are
// lost.
int stream_take_fd(Stream *stream);

// Frees all memory. Does nothing if the stream is closed or equals STREAM_INIT.
void stream_close(Stream *stream);

#define STREAM_INIT ((Stream){.watch = {.fd = -EBADF}, .fd = -EBADF})
