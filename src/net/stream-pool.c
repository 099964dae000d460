// SPDX-License-Identifier: MIT

#include "net/stream-pool.h"

#include <stdlib.h>

enum {
    // As many streams as one batch serves.
    SPARES_MAX = 64,
    // Frees larger buffers instead of keeping them. So all spare buffers together take at most a
    // megabyte.
    SPARE_BYTES_MAX = 16 * 1024,
};

void stream_pool_init(StreamPool *pool) {
    *pool = (StreamPool){.full = {.size = SIZE_MAX, .capacity = SIZE_MAX}};
}

static void stream_work_free(StreamWork *work) {
    buffer_clear(&work->out);
    free(work);
}

void stream_pool_clear(StreamPool *pool) {
    StreamWork *work;

    while ((work = SLIST_FIRST(&pool->spares))) {
        SLIST_REMOVE_HEAD(&pool->spares, spare);
        stream_work_free(work);
    }
    pool->spare_count = 0;
}

StreamWork *stream_pool_take(StreamPool *pool) {
    StreamWork *work = SLIST_FIRST(&pool->spares);

    if (work) {
        SLIST_REMOVE_HEAD(&pool->spares, spare);
        pool->spare_count--;
    } else
        work = calloc(1, sizeof(*work));
    if (work)
        pool->held += sizeof(*work);
    return work;
}

void stream_pool_give(StreamPool *pool, StreamWork *work) {
    Buffer out = work->out;

    pool->held -= sizeof(*work) + work->counted;
    buffer_clear(&work->in);
    sd_event_source_disable_unref(work->timer);
    if (out.capacity > SPARE_BYTES_MAX)
        buffer_clear(&out);
    *work = (StreamWork){.out = {.data = out.data, .capacity = out.capacity}};
    if (pool->spare_count == SPARES_MAX) {
        stream_work_free(work);
        return;
    }
    SLIST_INSERT_HEAD(&pool->spares, work, spare);
    pool->spare_count++;
}

void stream_pool_count(StreamPool *pool, StreamWork *work) {
    size_t now = work->in.capacity + work->out.capacity;

    pool->held += now;
    pool->held -= work->counted;
    work->counted = now;
}

bool stream_pool_holds_too_much(const StreamPool *pool) {
    return pool->held_max > 0 && pool->held > pool->held_max;
}
