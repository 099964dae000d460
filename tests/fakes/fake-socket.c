// SPDX-License-Identifier: MIT

#include "fake-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "net/loop-thread.h"
#include "util/macro.h"

enum {
    FIRST_FD = 1 << 20, // no real descriptor is so high
    ROUNDS_MAX = 10000,
};

FakeSocket fake_sockets[FAKE_SOCKETS];

static FakeSocket *socket_of(int fd) {
    CHECK(fd >= FIRST_FD && fd < FIRST_FD + FAKE_SOCKETS && fake_sockets[fd - FIRST_FD].open);
    return &fake_sockets[fd - FIRST_FD];
}

// --------------------------------------------------------------------------- instead of the kernel

int __real_close(int fd);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t len, int flags);
int __wrap_close(int fd);

int __wrap_socket(int domain _unused_, int type _unused_, int protocol _unused_) {
    for (int i = 0; i < FAKE_SOCKETS; i++) {
        FakeSocket *s = &fake_sockets[i];

        if (s->open)
            continue;
        buffer_clear(&s->sent);
        *s = (FakeSocket){.open = true, .low_water = 1};
        return FIRST_FD + i;
    }
    errno = EMFILE;
    return -1;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len) {
    memcpy(&socket_of(fd)->remote, address, len);
    errno = EINPROGRESS;
    return -1;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len _unused_) {
    if (level == SOL_SOCKET && name == SO_RCVLOWAT)
        socket_of(fd)->low_water = *(const int *)value;
    return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len _unused_) {
    CHECK(level == SOL_SOCKET && name == SO_ERROR);
    *(int *)value = socket_of(fd)->error;
    return 0;
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags _unused_) {
    FakeSocket *s = socket_of(fd);

    CHECK(s->connected);
    if (s->error > 0) {
        errno = EPIPE;
        return -1;
    }
    CHECK(buffer_append(&s->sent, data, len) >= 0);
    return (ssize_t)len;
}

ssize_t __wrap_recv(int fd, void *data, size_t len, int flags _unused_) {
    FakeSocket *s = socket_of(fd);
    size_t n = MIN(len, s->arrived.size);

    if (n > 0) {
        memcpy(data, buffer_data(&s->arrived), n);
        buffer_consume(&s->arrived, n);
        return (ssize_t)n;
    }
    if (s->ended)
        return 0;
    errno = s->error > 0 ? s->error : EAGAIN;
    return -1;
}

int __wrap_close(int fd) {
    FakeSocket *s;

    if (fd < FIRST_FD)
        return __real_close(fd);
    s = socket_of(fd);
    CHECK(!s->watch);
    buffer_clear(&s->arrived);
    s->open = false;
    return 0;
}

// ------------------------------------------------------------------------------------------ poller

int poller_add(Poller *poller _unused_, PollWatch *watch, int fd, uint32_t events,
               PollHandler handler) {
    CHECK(!socket_of(fd)->watch);
    socket_of(fd)->watch = watch;
    watch->fd = fd;
    watch->events = (uint16_t)events;
    watch->handler = handler;
    return 0;
}

int poller_change(Poller *poller _unused_, PollWatch *watch, uint32_t events) {
    CHECK(socket_of(watch->fd)->watch == watch);
    watch->events = (uint16_t)events;
    return 0;
}

void poller_remove(Poller *poller _unused_, PollWatch *watch) {
    if (watch->fd < 0)
        return;
    CHECK(socket_of(watch->fd)->watch == watch);
    socket_of(watch->fd)->watch = NULL;
    watch->fd = -EBADF;
}

static uint32_t ready_events(const FakeSocket *s) {
    uint32_t events = 0;

    if (!s->watch)
        return 0;
    if (s->connected || s->error > 0)
        events |= EPOLLOUT;
    if (s->arrived.size >= s->low_water || s->ended || s->error > 0)
        events |= EPOLLIN;
    return events & s->watch->events;
}

void fake_sockets_run(void) {
    bool any = true;

    for (int rounds = 0; any; rounds++) {
        CHECK(rounds < ROUNDS_MAX); // a handler that leaves its socket as it was
        any = false;
        for (size_t i = 0; i < FAKE_SOCKETS; i++) {
            uint32_t events = ready_events(&fake_sockets[i]);

            if (events == 0)
                continue;
            fake_sockets[i].watch->handler(fake_sockets[i].watch, events);
            any = true;
        }
        fake_threads_run();
    }
}

size_t fake_sockets_open(void) {
    size_t n = 0;

    for (size_t i = 0; i < FAKE_SOCKETS; i++)
        n += fake_sockets[i].open;
    return n;
}

void fake_sockets_clear(void) {
    for (size_t i = 0; i < FAKE_SOCKETS; i++)
        if (!fake_sockets[i].open)
            buffer_clear(&fake_sockets[i].sent);
}

// ----------------------------------------------------------------------------------------- threads

TAILQ_HEAD(CallList, LoopCall);

struct LoopThread {
    SLIST_ENTRY(LoopThread) link;
    const char *name;
    bool sleeps;
    struct CallList calls;
    struct CallList replies;
};

static SLIST_HEAD(, LoopThread) threads;

int loop_thread_new(sd_event *control _unused_, const char *name, LoopThread **ret) {
    LoopThread *thread = calloc(1, sizeof(*thread));

    CHECK(thread);
    thread->name = name;
    TAILQ_INIT(&thread->calls);
    TAILQ_INIT(&thread->replies);
    SLIST_INSERT_HEAD(&threads, thread, link);
    *ret = thread;
    return 0;
}

int loop_thread_start(LoopThread *thread _unused_) {
    return 0;
}

void loop_thread_stop(LoopThread *thread _unused_) {
}

LoopThread *loop_thread_free(LoopThread *thread) {
    if (!thread)
        return NULL;
    SLIST_REMOVE(&threads, thread, LoopThread, link);
    free(thread);
    return NULL;
}

sd_event *loop_thread_event(LoopThread *thread _unused_) {
    return NULL;
}

Poller *loop_thread_poller(LoopThread *thread _unused_) {
    return NULL;
}

uint64_t loop_thread_silence(LoopThread *thread _unused_, uint64_t now _unused_) {
    return 0;
}

void loop_thread_call(LoopThread *thread, LoopCall *call) {
    TAILQ_INSERT_TAIL(&thread->calls, call, link);
}

void loop_thread_reply(LoopThread *thread, LoopCall *call) {
    TAILQ_INSERT_TAIL(&thread->replies, call, link);
}

void fake_thread_sleep(const char *name, bool sleeps) {
    LoopThread *thread;

    SLIST_FOREACH(thread, &threads, link)
    if (strcmp(thread->name, name) == 0)
        thread->sleeps = sleeps;
}

static bool run_first(struct CallList *list) {
    LoopCall *call = TAILQ_FIRST(list);

    if (!call)
        return false;
    TAILQ_REMOVE(list, call, link);
    call->run(call); // may free what the call is in
    return true;
}

void fake_threads_run(void) {
    LoopThread *thread;
    bool any = true;

    for (int rounds = 0; any; rounds++) {
        CHECK(rounds < ROUNDS_MAX); // calls that make each other
        any = false;
        SLIST_FOREACH(thread, &threads, link) {
            any |= run_first(&thread->replies);
            any |= !thread->sleeps && run_first(&thread->calls);
        }
    }
}
