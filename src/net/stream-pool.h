// SPDX-License-Identifier: MIT
#pragma once

// What a stream needs only while something is under way. The poller lends it. So each of ten
// thousand silent connections takes no more than a Stream, and a busy one needs no malloc() per
// message.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "net/poller.h"
#include "util/buffer.h"

typedef struct StreamWork {
    SLIST_ENTRY(StreamWork) spare; // in the pool
    Buffer in;                     // received, not consumed
    Buffer out;                    // written, not sent
    size_t counted;                // bytes of both, as counted in pool->held
    sd_event_source *timer;
    PollTurn turn; // for stream_yield()
    // For stream_hold(): bytes that the other side had not taken at the last look. 0: not on hold.
    uint64_t on_hold;
    int error; // for stream_fail_later()
    bool connecting;
    bool eof;
    bool paused;
    bool delivering; // on_data runs
} StreamWork;

typedef struct StreamPool {
    SLIST_HEAD(, StreamWork) spares;
    unsigned spare_count;
    uint64_t held, held_max; // bytes in lent buffers; held_max 0: no limit
    Buffer full;             // stands in when memory runs out: appending to it fails
} StreamPool;

void stream_pool_init(StreamPool *pool);
void stream_pool_clear(StreamPool *pool); // all must have been given back

// Zeroed, but `out` may keep memory. NULL: out of memory.
StreamWork *stream_pool_take(StreamPool *pool);
void stream_pool_give(StreamPool *pool, StreamWork *work);

// Counts the buffers again after they have grown or shrunk.
void stream_pool_count(StreamPool *pool, StreamWork *work);
bool stream_pool_holds_too_much(const StreamPool *pool);
