// SPDX-License-Identifier: MIT

#include "net/loop-thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "util/thread-util.h"

enum {
    // Calls that run before other sources of the loop get their turn: a D-Bus call must not wait
    // for a thousand others.
    CALLS_AT_ONCE = 8,
};

TAILQ_HEAD(CallList, LoopCall);

// Calls in one direction.
typedef struct CallQueue {
    pthread_mutex_t mutex; // guards the list
    struct CallList list;
    int event_fd;
    sd_event_source *source; // on the loop that runs the calls
} CallQueue;

struct LoopThread {
    pthread_t thread;
    bool running;
    char name[16]; // as the kernel shows it
    sd_event *event;
    Poller *poller;
    CallQueue calls, replies;
    LoopCall stop;
    LoopCall ping;
    _Atomic bool ping_answered;
    uint64_t pinged_at; // CLOCK_MONOTONIC µs; 0: not asked yet
};

static void call_queue_put(CallQueue *queue, LoopCall *call) {
    bool first;

    pthread_mutex_lock(&queue->mutex);
    first = TAILQ_EMPTY(&queue->list);
    TAILQ_INSERT_TAIL(&queue->list, call, link);
    pthread_mutex_unlock(&queue->mutex);
    if (first)
        (void)eventfd_write(queue->event_fd, 1);
}

static LoopCall *call_queue_take(CallQueue *queue) {
    LoopCall *call;

    pthread_mutex_lock(&queue->mutex);
    call = TAILQ_FIRST(&queue->list);
    if (call)
        TAILQ_REMOVE(&queue->list, call, link);
    pthread_mutex_unlock(&queue->mutex);
    return call;
}

static int loop_thread_on_queued(sd_event_source *source _unused_, int fd,
                                 uint32_t revents _unused_, void *userdata) {
    CallQueue *queue = userdata;
    LoopCall *call;
    eventfd_t count;
    bool more;

    (void)eventfd_read(fd, &count);
    for (int i = 0; i < CALLS_AT_ONCE; i++) {
        call = call_queue_take(queue);
        if (!call)
            return 0;
        call->run(call);
    }
    pthread_mutex_lock(&queue->mutex);
    more = !TAILQ_EMPTY(&queue->list);
    pthread_mutex_unlock(&queue->mutex);
    if (more)
        (void)eventfd_write(fd, 1);
    return 0;
}

static int call_queue_init(CallQueue *queue, sd_event *event) {
    queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->event_fd < 0)
        return -errno;
    return sd_event_add_io(event, &queue->source, queue->event_fd, EPOLLIN, loop_thread_on_queued,
                           queue);
}

static void call_queue_done(CallQueue *queue) {
    sd_event_source_disable_unref(queue->source);
    close_fd(queue->event_fd);
    pthread_mutex_destroy(&queue->mutex);
}

int loop_thread_new(sd_event *control, const char *name, LoopThread **ret) {
    _cleanup_(loop_thread_freep) LoopThread *thread = NULL;
    int r;

    thread = calloc(1, sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    thread->calls.event_fd = thread->replies.event_fd = -EBADF;
    pthread_mutex_init(&thread->calls.mutex, NULL);
    pthread_mutex_init(&thread->replies.mutex, NULL);
    TAILQ_INIT(&thread->calls.list);
    TAILQ_INIT(&thread->replies.list);
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    r = sd_event_new(&thread->event);
    if (r >= 0)
        r = poller_new(thread->event, &thread->poller);
    if (r >= 0)
        r = call_queue_init(&thread->calls, thread->event);
    if (r >= 0)
        r = call_queue_init(&thread->replies, control);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(thread);
    return 0;
}

static void *loop_thread_main(void *arg) {
    LoopThread *thread = arg;

    // The thread names itself, because naming another thread writes to a file (daemon/sandbox.h).
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread_give_way();
    (void)sd_event_loop(thread->event);
    return NULL;
}

int loop_thread_start(LoopThread *thread) {
    int r = -pthread_create(&thread->thread, NULL, loop_thread_main, thread);

    if (r < 0)
        return r;
    thread->running = true;
    return 0;
}

static void loop_thread_run_stop(LoopCall *call) {
    (void)sd_event_exit(container_of(call, LoopThread, stop)->event, 0);
}

void loop_thread_stop(LoopThread *thread) {
    if (!thread || !thread->running)
        return;
    thread->stop.run = loop_thread_run_stop;
    loop_thread_call(thread, &thread->stop);
    pthread_join(thread->thread, NULL);
    thread->running = false;
}

LoopThread *loop_thread_free(LoopThread *thread) {
    if (!thread)
        return NULL;
    loop_thread_stop(thread);
    call_queue_done(&thread->calls);
    call_queue_done(&thread->replies);
    poller_free(thread->poller);
    sd_event_unref(thread->event);
    free(thread);
    return NULL;
}

static void loop_thread_run_ping(LoopCall *call) {
    container_of(call, LoopThread, ping)->ping_answered = true;
}

uint64_t loop_thread_silence(LoopThread *thread, uint64_t now) {
    if (!thread->running || (thread->pinged_at != 0 && !thread->ping_answered))
        return thread->running ? now - thread->pinged_at : 0;
    thread->ping_answered = false;
    thread->pinged_at = now;
    thread->ping.run = loop_thread_run_ping;
    loop_thread_call(thread, &thread->ping);
    return 0;
}

sd_event *loop_thread_event(LoopThread *thread) {
    return thread->event;
}

Poller *loop_thread_poller(LoopThread *thread) {
    return thread->poller;
}

void loop_thread_call(LoopThread *thread, LoopCall *call) {
    call_queue_put(&thread->calls, call);
}

void loop_thread_reply(LoopThread *thread, LoopCall *call) {
    call_queue_put(&thread->replies, call);
}
