// SPDX-License-Identifier: MIT

#include "net/poller.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "net/stream-pool.h"

enum {
    // Large enough to spread the cost of a wake-up, small enough to serve the bus in between.
    BATCH = 64,
};

struct Poller {
    sd_event *event;
    sd_event_source *source;
    int epoll_fd;
    struct epoll_event batch[BATCH]; // being dispatched; [batch_next, batch_size) is still to come
    int batch_next;
    int batch_size;
    bool in_batch;
    PollWatch *later[BATCH]; // NULL: was removed
    size_t later_count;
    void (*batch_done)(void *userdata);
    void *userdata;
    StreamPool streams;
    // Watches an eventfd that is always ready. Its `events` say whether there is work.
    PollWatch work_watch;
    TAILQ_HEAD(, PollTurn) turns;
    bool (*work)(void *userdata);
    void *work_userdata;
    char scratch[POLLER_SCRATCH_BYTES];
};

static void poller_dispatch_batch(Poller *poller, int n) {
    poller->batch_size = n;
    for (poller->batch_next = 0; poller->batch_next < poller->batch_size;) {
        struct epoll_event *ready = &poller->batch[poller->batch_next++];
        PollWatch *watch = ready->data.ptr;

        if (watch)
            watch->handler(watch, ready->events);
    }
    poller->batch_size = 0;
    if (poller->batch_done)
        poller->batch_done(poller->userdata);
}

static void poller_dispatch_later(Poller *poller) {
    for (size_t i = 0; i < poller->later_count; i++) {
        PollWatch *watch = poller->later[i];

        if (!watch)
            continue;
        watch->later = false;
        watch->handler(watch, 0);
    }
    poller->later_count = 0;
}

static int poller_on_ready(sd_event_source *source _unused_, int fd, uint32_t revents _unused_,
                           void *userdata) {
    Poller *poller = userdata;
    int n;

    n = epoll_wait(fd, poller->batch, BATCH, 0);
    if (n < 0)
        return 0; // EINTR; after any other error the source must stay as well
    poller->in_batch = true;
    poller_dispatch_batch(poller, n);
    poller->in_batch = false; // what these handlers put off is done at once
    poller_dispatch_later(poller);
    return 0;
}

bool poller_later(Poller *poller, PollWatch *watch) {
    if (watch->later)
        return true;
    if (!poller->in_batch || poller->later_count == BATCH)
        return false;
    watch->later = true;
    poller->later[poller->later_count++] = watch;
    return true;
}

int poller_new(sd_event *event, Poller **ret) {
    _cleanup_(poller_freep) Poller *poller = NULL;
    int r;

    poller = calloc(1, sizeof(*poller));
    if (!poller)
        return -ENOMEM;
    poller->event = sd_event_ref(event);
    poller->work_watch.fd = -EBADF;
    TAILQ_INIT(&poller->turns);
    stream_pool_init(&poller->streams);
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0)
        return -errno;
    r = sd_event_add_io(event, &poller->source, poller->epoll_fd, EPOLLIN, poller_on_ready, poller);
    if (r < 0)
        return r;
    (void)sd_event_source_set_description(poller->source, "poller");
    *ret = TAKE_PTR(poller);
    return 0;
}

Poller *poller_free(Poller *poller) {
    if (!poller)
        return NULL;
    sd_event_source_disable_unref(poller->source);
    sd_event_unref(poller->event);
    close_fd(poller->work_watch.fd);
    close_fd(poller->epoll_fd);
    stream_pool_clear(&poller->streams);
    free(poller);
    return NULL;
}

sd_event *poller_event(Poller *poller) {
    return poller->event;
}

void poller_after_batch(Poller *poller, void (*done)(void *userdata), void *userdata) {
    poller->batch_done = done;
    poller->userdata = userdata;
}

char *poller_scratch(Poller *poller) {
    return poller->scratch;
}

StreamPool *poller_streams(Poller *poller) {
    return &poller->streams;
}

void poller_set_held_max(Poller *poller, uint64_t max) {
    poller->streams.held_max = max;
}

uint64_t poller_held(const Poller *poller) {
    return poller->streams.held;
}

static int poller_control(Poller *poller, int op, PollWatch *watch) {
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};

    return epoll_ctl(poller->epoll_fd, op, watch->fd, &event) < 0 ? -errno : 0;
}

int poller_add(Poller *poller, PollWatch *watch, int fd, uint32_t events, PollHandler handler) {
    int r;

    *watch = (PollWatch){.handler = handler, .fd = fd, .events = (uint16_t)events};
    r = poller_control(poller, EPOLL_CTL_ADD, watch);
    if (r < 0)
        watch->fd = -EBADF;
    return r;
}

int poller_change(Poller *poller, PollWatch *watch, uint32_t events) {
    if (watch->events == events)
        return 0;
    watch->events = (uint16_t)events;
    return poller_control(poller, EPOLL_CTL_MOD, watch);
}

void poller_remove(Poller *poller, PollWatch *watch) {
    if (watch->fd < 0)
        return;
    (void)poller_control(poller, EPOLL_CTL_DEL, watch);
    watch->fd = -EBADF;
    // The caller may free the watch now, so drop what the running batch still holds of it.
    for (int i = poller->batch_next; i < poller->batch_size; i++)
        if (poller->batch[i].data.ptr == watch)
            poller->batch[i].data.ptr = NULL;
    for (size_t i = 0; watch->later && i < poller->later_count; i++)
        if (poller->later[i] == watch)
            poller->later[i] = NULL;
    watch->later = false;
}

static void poller_take_turn(Poller *poller) {
    PollTurn *turn = TAILQ_FIRST(&poller->turns);
    PollWatch *watch;

    if (!turn)
        return;
    watch = turn->watch;
    poller_leave_turn(poller, turn);
    watch->handler(watch, POLLER_TURN);
}

static void poller_on_work(PollWatch *watch, uint32_t events _unused_) {
    Poller *poller = container_of(watch, Poller, work_watch);

    poller_take_turn(poller); // first, because ending a session may leave work
    if (!poller->work(poller->work_userdata) && TAILQ_EMPTY(&poller->turns))
        (void)poller_change(poller, watch, 0);
}

int poller_set_work(Poller *poller, bool (*work)(void *userdata), void *userdata) {
    _cleanup_close_ int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    int r;

    if (fd < 0)
        return -errno;
    poller->work = work;
    poller->work_userdata = userdata;
    r = poller_add(poller, &poller->work_watch, fd, 0, poller_on_work);
    if (r >= 0)
        TAKE_FD(fd);
    return r;
}

void poller_has_work(Poller *poller) {
    (void)poller_change(poller, &poller->work_watch, EPOLLIN);
}

void poller_wait_turn(Poller *poller, PollTurn *turn, PollWatch *watch) {
    if (turn->watch)
        return;
    turn->watch = watch;
    TAILQ_INSERT_TAIL(&poller->turns, turn, link);
    poller_has_work(poller);
}

void poller_leave_turn(Poller *poller, PollTurn *turn) {
    if (!turn->watch)
        return;
    TAILQ_REMOVE(&poller->turns, turn, link);
    turn->watch = NULL;
}
