// SPDX-License-Identifier: MIT
#pragma once

// What a stream has only while something is under way. The poller lends it, so that ten thousand silent connections take
// no more than a Stream each, and a busy one needs no malloc() for each message.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "net/poller.h"
#include "util/buffer.h"

typedef struct StreamWork {
    SLIST_ENTRY(StreamWork) spare; // in the pool
    Buffer in;                     // arrived, not consumed
    Buffer out;                    // written, not sent
    size_t counted;                // of both, as part of pool->held
    sd_event_source *timer;
    PollTurn turn; // stream_yield()
    uint64_t
        on_hold; // stream_hold(): the bytes that the other side had not taken when last looked at; 0: it is not
    int error; // stream_fail_later()
    bool connecting;
    bool eof;
    bool paused;
    bool delivering; // on_data runs
} StreamWork;

typedef struct StreamPool {
    SLIST_HEAD(, StreamWork) spares;
    unsigned spare_count;
    uint64_t held, held_max; // bytes that are lent; 0: no limit
    Buffer full;             // where there is no memory: whatever is appended to it fails
} StreamPool;

void stream_pool_init(StreamPool *pool);
void stream_pool_clear(StreamPool *pool); // all have been given back

StreamWork *stream_pool_take(
    StreamPool *pool); // zeroed, but perhaps with memory in `out`; NULL: out of memory
void stream_pool_give(StreamPool *pool, StreamWork *work);

// Its buffers have grown or shrunk.
void stream_pool_count(StreamPool *pool, StreamWork *work);
bool stream_pool_holds_too_much(const StreamPool *pool);
