// SPDX-License-Identifier: MIT

// The engine that all swarms share: blocks of memory, the verify thread, the rate, the timer.

#include <stdlib.h>
#include <sys/epoll.h>

#include "peer/swarm/swarm-internal.h"
#include "util/time-util.h"

enum {
    // At most 16 MiB wait to be hashed. A source that needs more memory waits, and TCP then slows
    // the sender down.
    BLOCKS_MAX = 64,
    TICK_USEC = 250 * 1000,
};

void engine_start_tick(SwarmEngine *engine) {
    (void)sd_event_source_set_time_relative(engine->tick, TICK_USEC);
    (void)sd_event_source_set_enabled(engine->tick, SD_EVENT_ONESHOT);
}

static int engine_on_tick(sd_event_source *source _unused_, uint64_t usec _unused_,
                          void *userdata) {
    SwarmEngine *engine = userdata;
    uint64_t now = time_monotonic();
    Swarm *swarm, *next;

    TAILQ_FOREACH_SAFE (swarm, &engine->swarms, link, next)
        swarm_tick(swarm, now);
    if (!TAILQ_EMPTY(&engine->swarms))
        engine_start_tick(engine);
    return 0;
}

static void engine_wake(SwarmSource *source) {
    engine_unqueue(source);
    if (poller_change(loop_thread_poller(source->swarm->engine->thread), &source->watch, EPOLLIN) <
        0)
        source_close(source);
    else
        source_receive(source);
}

static size_t engine_count(const struct SourceList *list) {
    const SwarmSource *source;
    size_t n = 0;

    TAILQ_FOREACH (source, list, queue_link)
        n++;
    return n;
}

static int engine_on_throttle_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                    void *userdata) {
    SwarmEngine *engine = userdata;

    // Wake each source once: one that is throttled again goes to the end of the list.
    for (size_t n = engine_count(&engine->throttled); n > 0 && !TAILQ_EMPTY(&engine->throttled);
         n--)
        engine_wake(TAILQ_FIRST(&engine->throttled));
    return 0;
}

uint64_t swarm_engine_silence(SwarmEngine *engine, uint64_t now) {
    return loop_thread_silence(engine->verifier, now);
}

uint64_t swarm_engine_received(const SwarmEngine *engine) {
    return engine->received;
}

uint64_t swarm_engine_wrong_sources(const SwarmEngine *engine) {
    return engine->wrong_sources;
}

int swarm_engine_new(LoopThread *thread, RateLimit *limit, SwarmEngine **ret) {
    sd_event *event = loop_thread_event(thread);
    SwarmEngine *engine;
    int r;

    engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->thread = thread;
    engine->limit = limit;
    TAILQ_INIT(&engine->all);
    TAILQ_INIT(&engine->swarms);
    TAILQ_INIT(&engine->starved);
    TAILQ_INIT(&engine->throttled);
    engine->check_buffer = malloc(BLOCK_BYTES);
    r = engine->check_buffer ? merkle_new(&engine->checker) : -ENOMEM;
    if (r >= 0) {
        engine->leaves = leaf_hasher_new();
        merkle_use(engine->checker, engine->leaves);
    }
    if (r >= 0)
        r = loop_thread_new(event, "verify", &engine->verifier);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &engine->tick, CLOCK_MONOTONIC, TICK_USEC,
                                       TICK_USEC / 10, engine_on_tick, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->tick, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &engine->throttle_timer, CLOCK_MONOTONIC, 0, 1,
                                       engine_on_throttle_timer, engine);
    if (r >= 0)
        r = sd_event_source_set_enabled(engine->throttle_timer, SD_EVENT_OFF);
    if (r < 0) {
        swarm_engine_free(engine);
        return r;
    }
    *ret = engine;
    return 0;
}

int swarm_engine_start(SwarmEngine *engine) {
    return loop_thread_start(engine->verifier);
}

void swarm_engine_stop(SwarmEngine *engine) {
    if (engine)
        loop_thread_stop(engine->verifier);
}

SwarmEngine *swarm_engine_free(SwarmEngine *engine) {
    Swarm *swarm, *next;
    Block *block;

    if (!engine)
        return NULL;
    TAILQ_FOREACH_SAFE (swarm, &engine->all, all_link, next)
        swarm_free(swarm);
    while ((block = SLIST_FIRST(&engine->blocks))) {
        SLIST_REMOVE_HEAD(&engine->blocks, link);
        free(block);
    }
    sd_event_source_disable_unref(engine->tick);
    sd_event_source_disable_unref(engine->throttle_timer);
    loop_thread_free(engine->verifier);
    merkle_free(engine->checker);
    leaf_hasher_free(engine->leaves);
    free(engine->check_buffer);
    free(engine);
    return NULL;
}

Block *engine_take_block(SwarmEngine *engine) {
    Block *block = SLIST_FIRST(&engine->free_blocks);

    // Sources that wait already get a block first.
    if (!engine->feeding && !TAILQ_EMPTY(&engine->starved))
        return NULL;
    if (block) {
        SLIST_REMOVE_HEAD(&engine->free_blocks, free_link);
        return block;
    }
    if (engine->block_count >= BLOCKS_MAX)
        return NULL;
    block = malloc(sizeof(*block));
    if (!block)
        return NULL;
    SLIST_INSERT_HEAD(&engine->blocks, block, link);
    engine->block_count++;
    return block;
}

void engine_return_block(SwarmEngine *engine, Block *block) {
    SLIST_INSERT_HEAD(&engine->free_blocks, block, free_link);
}

void engine_feed(SwarmEngine *engine) {
    engine->feeding = true;
    for (size_t n = engine_count(&engine->starved); n > 0 && !SLIST_EMPTY(&engine->free_blocks);
         n--)
        if (!TAILQ_EMPTY(&engine->starved))
            engine_wake(TAILQ_FIRST(&engine->starved));
    engine->feeding = false;
}

static void engine_block_verified(LoopCall *call) {
    swarm_block_verified(container_of(call, Block, call));
}

// Runs in the verify thread.
static void engine_verify_block(LoopCall *call) {
    Block *block = container_of(call, Block, call);
    SwarmSource *source = block->source;
    const Swarm *swarm = source->swarm;
    MerkleHash hash;
    int r = 0;

    // The source may have stopped in the middle of the piece before, so reset the hasher.
    if (block->first)
        r = merkle_finish(source->merkle, &hash);
    if (r >= 0)
        r = merkle_update(source->merkle, block->data, block->len);
    if (r >= 0 && block->last) {
        r = merkle_finish_piece(source->merkle, swarm->size, &hash);
        if (r >= 0 && !merkle_hash_equal(&hash, &swarm->layer[block->piece]))
            r = -EBADMSG;
    }
    block->result = r;
    block->call.run = engine_block_verified;
    loop_thread_reply(swarm->engine->verifier, &block->call);
}

void engine_verify(SwarmEngine *engine, Block *block) {
    block->call.run = engine_verify_block;
    loop_thread_call(engine->verifier, &block->call);
}

// Runs in the verify thread. This thread may wait for the disk, so it reads pieces that are not
// cached, too.
static int engine_hash_piece(const SwarmEngine *engine, const Swarm *swarm, uint64_t piece,
                             MerkleHash *ret) {
    uint64_t len = piece_len(swarm->size, piece), at = piece * swarm->piece_bytes;
    int r = 0;

    while (len > 0 && r >= 0) {
        ssize_t n =
            pread(swarm->fd, engine->check_buffer, MIN(len, (uint64_t)BLOCK_BYTES), (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : -EBADMSG; // the file ends before its piece
            break;
        }
        r = merkle_update(engine->checker, engine->check_buffer, n);
        len -= n;
        at += n;
    }
    // Reset the hasher for the next piece, even after an error.
    if (merkle_finish_piece(engine->checker, swarm->size, ret) < 0 && r >= 0)
        r = -EIO;
    return r;
}

static void engine_check_done(LoopCall *call) {
    swarm_check_done(container_of(call, SwarmCheck, call));
}

static void engine_check_piece(LoopCall *call) {
    SwarmCheck *check = container_of(call, SwarmCheck, call);
    const Swarm *swarm = check->swarm;
    MerkleHash hash;
    int r = engine_hash_piece(swarm->engine, swarm, check->piece, &hash);

    if (r >= 0 && !merkle_hash_equal(&hash, &swarm->layer[check->piece]))
        r = -EBADMSG;
    check->result = r;
    check->call.run = engine_check_done;
    loop_thread_reply(swarm->engine->verifier, &check->call);
}

void engine_check(SwarmEngine *engine, SwarmCheck *check) {
    check->call.run = engine_check_piece;
    loop_thread_call(engine->verifier, &check->call);
}

static void engine_enqueue(struct SourceList *list, SwarmSource *source, SourceQueue queue) {
    if (source->queue != QUEUE_NONE)
        return;
    // Stop watching the socket. Its level-triggered event would wake us for bytes that we cannot
    // take.
    if (poller_change(loop_thread_poller(source->swarm->engine->thread), &source->watch, 0) < 0)
        return;
    source->queue = queue;
    source->swarm->held_at = time_monotonic();
    TAILQ_INSERT_TAIL(list, source, queue_link);
}

void engine_starve(SwarmEngine *engine, SwarmSource *source) {
    engine_enqueue(&engine->starved, source, QUEUE_STARVED);
}

void engine_throttle(SwarmEngine *engine, SwarmSource *source) {
    int enabled = SD_EVENT_OFF;

    engine_enqueue(&engine->throttled, source, QUEUE_THROTTLED);
    (void)sd_event_source_get_enabled(engine->throttle_timer, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time_relative(engine->throttle_timer, rate_limit_wait(engine->limit));
    (void)sd_event_source_set_enabled(engine->throttle_timer, SD_EVENT_ONESHOT);
}

void engine_unqueue(SwarmSource *source) {
    SwarmEngine *engine = source->swarm->engine;

    if (source->queue == QUEUE_STARVED)
        TAILQ_REMOVE(&engine->starved, source, queue_link);
    else if (source->queue == QUEUE_THROTTLED)
        TAILQ_REMOVE(&engine->throttled, source, queue_link);
    source->queue = QUEUE_NONE;
}
