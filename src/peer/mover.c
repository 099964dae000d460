// SPDX-License-Identifier: MIT

#include "peer/mover.h"

#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "peer/move-io.h"
#include "util/time-util.h"

TAILQ_HEAD(MoveList, Move);
typedef struct MoveList MoveList;

struct Mover {
    pthread_t thread;
    bool running;
    sd_event *control;
    sd_event_source *finished_source;
    int submitted_fd; // eventfd: control → mover
    int finished_fd;  // eventfd: mover → control

    pthread_mutex_t mutex; // guards what follows; taken twice in the life of a move
    MoveList submitted;
    MoveList finished;
    bool stop;

    // The thread's own.
    sd_event *event;
    Poller *poller;
    sd_event_source *submitted_source;
    sd_event_source *tick_source;
    MoveList active;
    MoveBuffer *buffer;
};

enum {
    // How often stalls and silences are looked for.
    TICK_USEC = 250 * 1000,
    // A sender that says nothing for this long and has sent what may be all has sent all. Longer than a
    // lost segment takes to come again.
    QUIET_USEC = 5 * 1000 * 1000,
    // A side that moves less than STALL_BYTES in STALL_USEC is gone, or only holds a slot.
    STALL_USEC = 60 * 1000 * 1000,
    STALL_BYTES = 16 * 1024,
};

Move *move_new(MoveKind kind) {
    Move *move;

    move = calloc(1, sizeof(*move));
    if (!move)
        return NULL;
    move->kind = kind;
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

static void move_finish(Move *move, int result) {
    Mover *mover = move->mover;

    poller_remove(mover->poller, &move->watch);
    TAILQ_REMOVE(&mover->active, move, link);
    if (result >= 0 || move->cancelled)
        move->file_failed = false;
    move->result = result < 0 && move->cancelled ? -ECANCELED : MIN(result, 0);

    pthread_mutex_lock(&mover->mutex);
    TAILQ_INSERT_TAIL(&mover->finished, move, link);
    pthread_mutex_unlock(&mover->mutex);
    (void) eventfd_write(mover->finished_fd, 1);
}

static void note_progress(Move *move) {
    move->progress = time_monotonic();
    if (move->moved - move->stall_moved < STALL_BYTES)
        return;
    move->stall_moved = move->moved;
    move->stall_since = move->progress;
}

// Returns what move_io_step() did; the move is over if that is neither MOVE_IO_MORE nor _BLOCKED.
static int move_step(Move *move) {
    Mover *mover = move->mover;
    int r;

    r = move->cancelled ? -ECANCELED : move_io_step(move, mover->buffer);
    if (r == MOVE_IO_MORE)
        note_progress(move);
    else if (r != MOVE_IO_BLOCKED)
        move_finish(move, r);
    return r;
}

static void on_socket(PollWatch *watch, uint32_t events _unused_) {
    (void) move_step(container_of(watch, Move, watch));
}

static void move_start(Mover *mover, Move *move) {
    int r;

    if (TAILQ_EMPTY(&mover->active)) {
        (void) sd_event_source_set_time_relative(mover->tick_source, TICK_USEC);
        (void) sd_event_source_set_enabled(mover->tick_source, SD_EVENT_ONESHOT);
    }
    move->mover = mover;
    move->progress = move->stall_since = time_monotonic();
    TAILQ_INSERT_TAIL(&mover->active, move, link);
    r = poller_add(mover->poller, &move->watch, move->socket_fd,
                   move->kind == MOVE_SEND ? EPOLLOUT : EPOLLIN, on_socket);
    if (r >= 0)
        r = move_io_begin(move);
    if (r != MOVE_IO_MORE)
        move_finish(move, r);
}

static int on_submitted(sd_event_source *source _unused_, int fd, uint32_t revents _unused_,
                        void *userdata) {
    Mover *mover = userdata;
    MoveList list = TAILQ_HEAD_INITIALIZER(list);
    Move *move, *next;
    eventfd_t count;
    bool stop;

    (void) eventfd_read(fd, &count);
    pthread_mutex_lock(&mover->mutex);
    TAILQ_CONCAT(&list, &mover->submitted, link);
    stop = mover->stop;
    pthread_mutex_unlock(&mover->mutex);

    TAILQ_FOREACH_SAFE(move, &list, link, next)
    move_start(mover, move);
    return stop ? sd_event_exit(mover->event, 0) : 0;
}

// Looks at what is there before it judges: the thread itself may have been busy, with a disk for instance.
static void move_tick(Move *move, uint64_t now) {
    if (move->cancelled) {
        move_finish(move, -ECANCELED);
        return;
    }
    if (now - move->progress < TICK_USEC)
        return;
    // Less may have come than the socket would wake us for.
    if (move_step(move) != MOVE_IO_BLOCKED)
        return;
    if (now - move->stall_since >= STALL_USEC)
        move_finish(move, -ETIMEDOUT);
    else if (now - move->progress >= QUIET_USEC && move_io_complete_if_quiet(move))
        move_finish(move, move_io_end(move));
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Mover *mover = userdata;
    uint64_t now = time_monotonic();
    Move *move, *next;

    TAILQ_FOREACH_SAFE(move, &mover->active, link, next)
    move_tick(move, now);
    if (!TAILQ_EMPTY(&mover->active)) {
        (void) sd_event_source_set_time_relative(source, TICK_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

static void *thread_main(void *arg) {
    Mover *mover = arg;

    (void) sd_event_loop(mover->event);
    return NULL;
}

static int on_finished(sd_event_source *source _unused_, int fd, uint32_t revents _unused_,
                       void *userdata) {
    Mover *mover = userdata;
    MoveList list = TAILQ_HEAD_INITIALIZER(list);
    Move *move, *next;
    eventfd_t count;

    (void) eventfd_read(fd, &count);
    pthread_mutex_lock(&mover->mutex);
    TAILQ_CONCAT(&list, &mover->finished, link);
    pthread_mutex_unlock(&mover->mutex);
    TAILQ_FOREACH_SAFE(move, &list, link, next)
    move->on_done(move);
    return 0;
}

static int mover_set_up_thread(Mover *mover) {
    int r;

    mover->buffer = move_buffer_new();
    if (!mover->buffer)
        return -ENOMEM;
    r = sd_event_new(&mover->event);
    if (r < 0)
        return r;
    r = poller_new(mover->event, &mover->poller);
    if (r < 0)
        return r;
    r = sd_event_add_io(mover->event, &mover->submitted_source, mover->submitted_fd, EPOLLIN,
                        on_submitted, mover);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(mover->event, &mover->tick_source, CLOCK_MONOTONIC, TICK_USEC,
                                   TICK_USEC / 10, on_tick, mover);
    return r < 0 ? r : sd_event_source_set_enabled(mover->tick_source, SD_EVENT_OFF);
}

int mover_new(sd_event *event, const char *name, Mover **ret) {
    _cleanup_(mover_freep) Mover *mover = NULL;
    int r;

    mover = calloc(1, sizeof(*mover));
    if (!mover)
        return -ENOMEM;
    TAILQ_INIT(&mover->submitted);
    TAILQ_INIT(&mover->finished);
    TAILQ_INIT(&mover->active);
    pthread_mutex_init(&mover->mutex, NULL);
    mover->control = sd_event_ref(event);
    mover->submitted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mover->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mover->submitted_fd < 0 || mover->finished_fd < 0)
        return -errno;
    r = sd_event_add_io(event, &mover->finished_source, mover->finished_fd, EPOLLIN, on_finished,
                        mover);
    if (r < 0)
        return r;
    r = mover_set_up_thread(mover);
    if (r < 0)
        return r;
    r = -pthread_create(&mover->thread, NULL, thread_main, mover);
    if (r < 0)
        return r;
    mover->running = true;
    (void) pthread_setname_np(mover->thread, name);
    *ret = TAKE_PTR(mover);
    return 0;
}

static void list_free(MoveList *list) {
    Move *move, *next;

    TAILQ_FOREACH_SAFE(move, list, link, next)
    move_free(move);
}

Mover *mover_free(Mover *mover) {
    Move *move;

    if (!mover)
        return NULL;
    if (mover->running) {
        pthread_mutex_lock(&mover->mutex);
        mover->stop = true;
        pthread_mutex_unlock(&mover->mutex);
        (void) eventfd_write(mover->submitted_fd, 1);
        pthread_join(mover->thread, NULL);
    }
    TAILQ_FOREACH (move, &mover->active, link)
        poller_remove(mover->poller, &move->watch);
    list_free(&mover->active);
    list_free(&mover->submitted);
    list_free(&mover->finished);
    sd_event_source_disable_unref(mover->tick_source);
    sd_event_source_disable_unref(mover->submitted_source);
    poller_free(mover->poller);
    sd_event_unref(mover->event);
    sd_event_source_disable_unref(mover->finished_source);
    sd_event_unref(mover->control);
    close_fd(mover->submitted_fd);
    close_fd(mover->finished_fd);
    pthread_mutex_destroy(&mover->mutex);
    move_buffer_free(mover->buffer);
    free(mover);
    return NULL;
}

void mover_submit(Mover *mover, Move *move) {
    pthread_mutex_lock(&mover->mutex);
    TAILQ_INSERT_TAIL(&mover->submitted, move, link);
    pthread_mutex_unlock(&mover->mutex);
    (void) eventfd_write(mover->submitted_fd, 1);
}

// The thread may be waiting for this socket; shutting it down wakes it. The descriptor stays open until
// on_done has the move, so that it cannot be another one's by now.
void move_cancel(Move *move) {
    move->cancelled = true;
    (void) shutdown(move->socket_fd, SHUT_RDWR);
}
