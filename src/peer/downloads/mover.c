// SPDX-License-Identifier: MIT

#include "peer/downloads/mover.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "peer/downloads/move-io.h"
#include "util/time-util.h"

TAILQ_HEAD(MoveList, Move);

struct Mover {
    LoopThread *thread;
    struct MoveList moves; // all running moves; only the control loop uses it

    // The thread's own.
    RateLimit *limit;
    sd_event_source *tick_source;
    sd_event_source *throttle_source; // fires when the rate allows more
    struct MoveList active;
    MoveBuffer *buffer;
    _Atomic uint64_t received; // bytes of all moves
};

enum {
    // How often the mover checks for stalls and silences.
    TICK_USEC = 250 * 1000,
    // If a sender is silent for this long and the bytes could be a complete file, the file is
    // complete. TCP sends a lost segment again within this time.
    QUIET_USEC = 5 * 1000 * 1000,
    // A sender that moves less than STALL_BYTES in STALL_USEC is gone, or just occupies a slot.
    STALL_USEC = 60 * 1000 * 1000,
    STALL_BYTES = 16 * 1024,
    MOVE_BYTES_MAX = 1024 * 1024, // per step
};

uint64_t mover_received(const Mover *mover) {
    return mover->received;
}

Move *move_new(void) {
    Move *move;

    move = calloc(1, sizeof(*move));
    if (!move)
        return NULL;
    move->socket_fd = move->file_fd = move->watch.fd = -EBADF;
    return move;
}

Move *move_free(Move *move) {
    if (!move)
        return NULL;
    close_fd(move->socket_fd);
    close_fd(move->file_fd);
    buffer_clear(&move->lead);
    free(move);
    return NULL;
}

static void mover_on_finished(LoopCall *call) {
    Move *move = container_of(call, Move, call);

    TAILQ_REMOVE(&move->mover->moves, move, link);
    move->on_done(move);
}

static void move_finish(Move *move, int result) {
    Mover *mover = move->mover;

    poller_remove(loop_thread_poller(mover->thread), &move->watch);
    TAILQ_REMOVE(&mover->active, move, active);
    if (result >= 0 || move->cancelled)
        move->file_failed = false;
    move->result = result < 0 && move->cancelled ? -ECANCELED : MIN(result, 0);
    move->call.run = mover_on_finished;
    loop_thread_reply(mover->thread, &move->call);
}

static void mover_note_progress(Move *move) {
    move->progress = time_monotonic();
    if (move->moved - move->stall_moved < STALL_BYTES)
        return;
    move->stall_moved = move->moved;
    move->stall_since = move->progress;
}

// The rate allows no bytes now. Stops watching the socket, which would keep waking us.
static void move_throttle(Move *move) {
    Mover *mover = move->mover;
    int enabled = SD_EVENT_OFF;

    if (poller_change(loop_thread_poller(mover->thread), &move->watch, 0) < 0)
        return;
    move->throttled = true;
    (void)sd_event_source_get_enabled(mover->throttle_source, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time_relative(mover->throttle_source, rate_limit_wait(mover->limit));
    (void)sd_event_source_set_enabled(mover->throttle_source, SD_EVENT_ONESHOT);
}

static int mover_on_throttle_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                   void *userdata) {
    Mover *mover = userdata;
    Move *move;

    TAILQ_FOREACH (move, &mover->active, active)
        if (move->throttled &&
            poller_change(loop_thread_poller(mover->thread), &move->watch, EPOLLIN) >= 0)
            move->throttled = false;
    return 0;
}

// Returns the result of move_io_step(). Unless it is MOVE_IO_MORE or MOVE_IO_BLOCKED, the move is
// over.
static int move_step(Move *move) {
    Mover *mover = move->mover;
    uint64_t before = move->received, max = UINT64_MAX;
    int r;

    if (!move->exempt && !move->cancelled)
        max = rate_limit_grant(mover->limit, MOVE_BYTES_MAX, time_monotonic());
    if (max == 0) {
        move_throttle(move);
        return MOVE_IO_BLOCKED;
    }
    r = move->cancelled ? -ECANCELED : move_io_step(move, mover->buffer, max);
    mover->received += move->received - before;
    if (!move->exempt)
        rate_limit_spend(mover->limit, move->received - before);
    if (r == MOVE_IO_MORE)
        mover_note_progress(move);
    else if (r != MOVE_IO_BLOCKED)
        move_finish(move, r);
    return r;
}

static void mover_on_socket(PollWatch *watch, uint32_t events _unused_) {
    (void)move_step(container_of(watch, Move, watch));
}

static void mover_on_submitted(LoopCall *call) {
    Move *move = container_of(call, Move, call);
    Mover *mover = move->mover;
    int r;

    if (TAILQ_EMPTY(&mover->active)) {
        (void)sd_event_source_set_time_relative(mover->tick_source, TICK_USEC);
        (void)sd_event_source_set_enabled(mover->tick_source, SD_EVENT_ONESHOT);
    }
    move->progress = move->stall_since = time_monotonic();
    TAILQ_INSERT_TAIL(&mover->active, move, active);
    r = poller_add(loop_thread_poller(mover->thread), &move->watch, move->socket_fd, EPOLLIN,
                   mover_on_socket);
    if (r >= 0)
        r = move_io_begin(move);
    if (r != MOVE_IO_MORE)
        move_finish(move, r);
}

// Reads the socket before it calls a sender stalled: this thread itself may have been busy, for
// example with a disk.
static void move_tick(Move *move, uint64_t now) {
    if (move->cancelled) {
        move_finish(move, -ECANCELED);
        return;
    }
    if (move->throttled) { // the sender is not at fault
        move->progress = move->stall_since = now;
        return;
    }
    if (now - move->progress < TICK_USEC)
        return;
    // Fewer bytes than SO_RCVLOWAT may have arrived.
    if (move_step(move) != MOVE_IO_BLOCKED)
        return;
    if (now - move->stall_since >= STALL_USEC)
        move_finish(move, -ETIMEDOUT);
    else if (now - move->progress >= QUIET_USEC && move_io_complete_if_quiet(move))
        move_finish(move, move_io_end(move));
}

static int mover_on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Mover *mover = userdata;
    uint64_t now = time_monotonic();
    Move *move, *next;

    TAILQ_FOREACH_SAFE (move, &mover->active, active, next)
        move_tick(move, now);
    if (!TAILQ_EMPTY(&mover->active)) {
        (void)sd_event_source_set_time_relative(source, TICK_USEC);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

int mover_new(LoopThread *thread, RateLimit *limit, Mover **ret) {
    _cleanup_(mover_freep) Mover *mover = NULL;
    int r;

    mover = calloc(1, sizeof(*mover));
    if (!mover)
        return -ENOMEM;
    TAILQ_INIT(&mover->moves);
    TAILQ_INIT(&mover->active);
    mover->thread = thread;
    mover->limit = limit;
    mover->buffer = move_buffer_new();
    if (!mover->buffer)
        return -ENOMEM;
    r = sd_event_add_time_relative(loop_thread_event(thread), &mover->tick_source, CLOCK_MONOTONIC,
                                   TICK_USEC, TICK_USEC / 10, mover_on_tick, mover);
    if (r >= 0)
        r = sd_event_source_set_enabled(mover->tick_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(loop_thread_event(thread), &mover->throttle_source,
                                       CLOCK_MONOTONIC, 0, 1, mover_on_throttle_timer, mover);
    if (r >= 0)
        r = sd_event_source_set_enabled(mover->throttle_source, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(mover);
    return 0;
}

Mover *mover_free(Mover *mover) {
    Move *move, *next;

    if (!mover)
        return NULL;
    TAILQ_FOREACH (move, &mover->active, active)
        poller_remove(loop_thread_poller(mover->thread), &move->watch);
    TAILQ_FOREACH_SAFE (move, &mover->moves, link, next)
        move_free(move);
    sd_event_source_disable_unref(mover->tick_source);
    sd_event_source_disable_unref(mover->throttle_source);
    move_buffer_free(mover->buffer);
    free(mover);
    return NULL;
}

void mover_submit(Mover *mover, Move *move) {
    move->mover = mover;
    move->call.run = mover_on_submitted;
    TAILQ_INSERT_TAIL(&mover->moves, move, link);
    loop_thread_call(mover->thread, &move->call);
}

// The thread may be waiting for this socket, and the shutdown wakes it. The descriptor stays open
// until on_done gets the move, so the number cannot belong to another file by now.
void move_cancel(Move *move) {
    move->cancelled = true;
    (void)shutdown(move->socket_fd, SHUT_RDWR);
}
