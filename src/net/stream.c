// SPDX-License-Identifier: MIT

#include "net/stream.h"

#include <assert.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "net/stream-pool.h"
#include "util/macro.h"
#include "util/timer.h"

enum {
    // Memory that a connection may keep for input even if it holds little.
    IN_SPARE_BYTES = 8192,
    // What a connection may always hold in both directions, whatever all of them hold: half a line,
    // a few answers.
    HELD_ANYWAY_BYTES = 8192,
};

// How long the other side may read nothing that waits for it. A live machine reads within
// milliseconds; one that slept for so long will connect again.
static const uint64_t HOLD_USEC = 10 * USEC_PER_SEC;

static const Buffer nothing;

static void stream_handle_events(PollWatch *watch, uint32_t events);

const Buffer *stream_unsent(const Stream *stream) {
    return stream->work ? &stream->work->out : &nothing;
}

const Buffer *stream_unconsumed(const Stream *stream) {
    return stream->work ? &stream->work->in : &nothing;
}

bool stream_is_on_hold(const Stream *stream) {
    return stream->work && stream->work->on_hold > 0;
}

// NULL: out of memory.
static StreamWork *stream_need_work(Stream *stream) {
    if (!stream->work)
        stream->work = stream_pool_take(poller_streams(stream->poller));
    return stream->work;
}

static void stream_give_work_back(Stream *stream) {
    if (!stream->work)
        return;
    poller_leave_turn(stream->poller, &stream->work->turn);
    stream_pool_give(poller_streams(stream->poller), stream->work);
    stream->work = NULL;
}

static bool stream_is_idle(const StreamWork *work) {
    return work->in.size == 0 && work->out.size == 0 && !work->timer && work->error == 0 &&
           !work->connecting && !work->eof && !work->paused;
}

// Releases what the stream does not need now.
static void stream_settle(Stream *stream) {
    StreamWork *work = stream->work;

    if (!work)
        return;
    if (!work->delivering && stream_is_idle(work)) {
        stream_give_work_back(stream);
        return;
    }
    if (!work->delivering && work->out.size == 0)
        buffer_clear(&work->out);
    stream_pool_count(poller_streams(stream->poller), work);
}

// The last thing that a stream does by itself: the owner may free it in on_closed.
static void stream_fail(Stream *stream, int error) {
    stream_close(stream);
    stream->ops->on_closed(stream, error);
}

static bool stream_has_ended(const Stream *stream) {
    return stream->fd >= 0 && stream->work && stream->work->eof && !stream->work->paused &&
           stream->work->out.size == 0;
}

// Ends each callback of the poller or the loop.
static void stream_finish(Stream *stream, int r) {
    if (r < 0)
        stream_fail(stream, r);
    else if (stream_has_ended(stream))
        stream_fail(stream, 0);
}

static int stream_update_events(Stream *stream) {
    const StreamWork *work = stream->work;
    uint32_t events = EPOLLIN;

    if (work && work->connecting)
        events = EPOLLOUT;
    else if (work) {
        events = work->eof || work->paused ? 0 : EPOLLIN;
        events |= work->out.size > 0 || work->on_hold > 0 ? EPOLLOUT : 0;
    }
    return poller_change(stream->poller, &stream->watch, events);
}

static int stream_start(Stream *stream, Poller *poller, const StreamOps *ops, int fd,
                        const Endpoint *remote, size_t out_max, bool connecting) {
    const int on = 1;

    *stream = (Stream){
        .watch.fd = -EBADF,
        .ops = ops,
        .poller = poller,
        .out_max = out_max,
        .remote = *remote,
        .fd = fd,
    };
    if (connecting) {
        if (!stream_need_work(stream))
            return -ENOMEM;
        stream->work->connecting = true;
    }
    // Messages are written whole, so waiting for more of them only adds delay.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return poller_add(poller, &stream->watch, fd, connecting ? EPOLLOUT : EPOLLIN,
                      stream_handle_events);
}

int stream_accept(Stream *stream, Poller *poller, const StreamOps *ops, int fd,
                  const Endpoint *remote, size_t out_max) {
    int r = stream_start(stream, poller, ops, fd, remote, out_max, false);

    if (r < 0)
        stream_close(stream);
    return r;
}

int stream_connect(Stream *stream, Poller *poller, const StreamOps *ops, const Endpoint *remote,
                   size_t out_max) {
    _cleanup_close_ int fd = -EBADF;
    SocketAddress sockaddr;
    socklen_t len;
    int r;

    len = endpoint_to_sockaddr(remote, &sockaddr);
    fd = socket(sockaddr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, &sockaddr.sa, len) < 0 && errno != EINPROGRESS)
        return -errno;
    r = stream_start(stream, poller, ops, TAKE_FD(fd), remote, out_max, true);
    if (r < 0)
        stream_close(stream);
    return r;
}

Buffer *stream_out(Stream *stream) {
    StreamWork *work = stream_need_work(stream);

    return work ? &work->out : &poller_streams(stream->poller)->full;
}

int stream_restore(Stream *stream, const void *data, size_t len) {
    if (len == 0)
        return 0;
    return stream_need_work(stream) ? buffer_append(&stream->work->in, data, len) : -ENOMEM;
}

static int stream_send_queued(Stream *stream) {
    Buffer *out = stream->work ? &stream->work->out : NULL;

    while (out && out->size > 0) {
        ssize_t n = send(stream->fd, buffer_data(out), out->size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        if ((size_t)n == out->size) // the memory serves the next stream
            out->begin = out->size = 0;
        else
            buffer_consume(out, n);
    }
    return 0;
}

static bool stream_holds_too_much(const Stream *stream) {
    const StreamWork *work = stream->work;

    return work && (work->out.size > stream->out_max ||
                    (work->counted > HELD_ANYWAY_BYTES &&
                     stream_pool_holds_too_much(poller_streams(stream->poller))));
}

int stream_flush(Stream *stream) {
    int r;

    if (stream->fd < 0 || (stream->work && stream->work->connecting))
        return 0;
    if (stream->work && stream->work->error < 0)
        return stream->work->error;
    r = stream_send_queued(stream);
    stream_settle(stream);
    if (r < 0)
        return r;
    // Update first: a caller that ignores the result gets the error with the next event.
    r = stream_update_events(stream);
    return stream_holds_too_much(stream) ? -ENOBUFS : r;
}

// For when no batch is running: shutting the socket down makes the poller report an event.
static void stream_fail_with_next_event(Stream *stream, int error) {
    StreamWork *work = stream_need_work(stream);

    if (work)
        work->error = error; // without memory for it, the other side will seem to have gone
    (void)shutdown(stream->fd, SHUT_RDWR);
}

void stream_flush_later(Stream *stream) {
    int r;

    if (poller_later(stream->poller, &stream->watch))
        return;
    r = stream_flush(stream);
    if (r < 0)
        stream_fail_with_next_event(stream, r);
}

void stream_fail_later(Stream *stream, int error) {
    StreamWork *work = stream_need_work(stream);

    if (work)
        work->error = error;
    if (!work || !poller_later(stream->poller, &stream->watch))
        stream_fail_with_next_event(stream, error);
}

// Moves the incomplete rest of a burst into a small buffer. Otherwise the memory of the burst would
// be held for as long as the other side stays silent.
static int stream_keep_rest(Buffer *in, size_t consumed) {
    Buffer rest = {};
    int r;

    buffer_consume(in, consumed);
    if (in->size == 0 || in->capacity <= IN_SPARE_BYTES || in->size > in->capacity / 4)
        return 0;
    r = buffer_append(&rest, buffer_data(in), in->size);
    if (r < 0)
        return r;
    buffer_clear(in);
    *in = rest;
    return 0;
}

// Shows the owner the input. `data` is scratch memory or work->in's own.
static int stream_deliver(Stream *stream, const char *data, size_t len) {
    StreamWork *work = stream->work;
    bool owned = data == buffer_data(&work->in);
    size_t consumed = 0;
    int r;

    work->delivering = true;
    r = stream->ops->on_data(stream, data, len, work->eof, &consumed);
    if (stream->fd < 0)
        return r;
    work->delivering = false;
    if (r < 0) {
        (void)stream_send_queued(stream); // answers to what came before the reason to close
        return r;
    }
    assert(consumed <= len);
    if (owned)
        r = stream_keep_rest(&work->in, consumed);
    else if (consumed < len)
        r = buffer_append(&work->in, data + consumed, len - consumed);
    if (r < 0 || poller_later(stream->poller, &stream->watch))
        return r;
    return stream_flush(stream);
}

int stream_reconsider(Stream *stream) {
    if (!stream_need_work(stream))
        return -ENOMEM;
    // Owners add to the pointer, so it must not be NULL.
    return stream_deliver(stream, buffer_data(&stream->work->in) ?: "", stream->work->in.size);
}

static int stream_receive(Stream *stream) {
    char *scratch = poller_scratch(stream->poller);
    ssize_t n;
    int r;

    n = recv(stream->fd, scratch, POLLER_SCRATCH_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (!stream_need_work(stream))
        return -ENOMEM;
    stream->work->eof = n == 0;
    if (stream->work->in.size == 0)
        return stream_deliver(stream, scratch, n);
    r = buffer_append(&stream->work->in, scratch, n);
    return r < 0 ? r : stream_reconsider(stream);
}

static int stream_finish_connect(Stream *stream) {
    socklen_t len = sizeof(int);
    int error, r;

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    if (error != 0)
        return -error;
    stream->work->connecting = false;
    r = stream->ops->on_connected ? stream->ops->on_connected(stream) : 0;
    return r < 0 ? r : stream_flush(stream);
}

// Offers the owner again what it has not consumed.
static int stream_resume(Stream *stream) {
    stream->work->paused = false;
    stream->work->on_hold = 0;
    return stream_reconsider(stream);
}

static int stream_flush_what_waits(Stream *stream) {
    int r = stream_flush(stream);

    return r >= 0 && stream_is_on_hold(stream) && stream->work->out.size == 0
               ? stream_resume(stream)
               : r;
}

static void stream_handle_events(PollWatch *watch, uint32_t events) {
    Stream *stream = container_of(watch, Stream, watch);
    bool eof;
    int r = 0;

    if (events == POLLER_TURN)
        r = stream_resume(stream);
    else if (stream->work && stream->work->connecting) {
        if (events != 0)
            r = stream_finish_connect(stream);
    } else {
        if (events == 0 || (events & EPOLLOUT))
            r = stream_flush_what_waits(stream);
        eof = stream->work && stream->work->eof;
        if (r >= 0 && !eof && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            r = stream_receive(stream);
        else if (r >= 0 && eof && (events & (EPOLLHUP | EPOLLERR)))
            r = -ECONNRESET; // nobody can read the answer any more
    }
    stream_finish(stream, r);
}

// The bytes that the other side has not taken, in our queue and the kernel's.
static uint64_t stream_not_taken(const Stream *stream) {
    int in_kernel = 0;

    (void)ioctl(stream->fd, SIOCOUTQ, &in_kernel);
    return stream->work->out.size + (uint64_t)in_kernel;
}

static int stream_look_at_hold(Stream *stream) {
    uint64_t left = stream_not_taken(stream);

    if (left >= stream->work->on_hold)
        return -ENOBUFS;
    stream->work->on_hold = MAX(left, UINT64_C(1));
    return stream_set_timeout(stream, HOLD_USEC);
}

static int stream_handle_timeout(sd_event_source *source _unused_, uint64_t usec _unused_,
                                 void *userdata) {
    Stream *stream = userdata;
    int r;

    if (stream_is_on_hold(stream))
        r = stream_look_at_hold(stream);
    else
        r = stream->ops->on_timeout ? stream->ops->on_timeout(stream) : -ETIMEDOUT;
    if (r < 0)
        stream_fail(stream, r);
    return 0;
}

int stream_set_timeout(Stream *stream, uint64_t usec) {
    StreamWork *work = stream->work;

    if (usec == 0) {
        // Most connections rarely need a timer, and a source costs 400 bytes.
        if (work)
            work->timer = sd_event_source_disable_unref(work->timer);
        stream_settle(stream);
        return 0;
    }
    work = stream_need_work(stream);
    if (!work)
        return -ENOMEM;
    // Created when it is armed first, with one call less than timer_new().
    if (!work->timer)
        return sd_event_add_time_relative(poller_event(stream->poller), &work->timer,
                                          CLOCK_MONOTONIC, usec, 10 * USEC_PER_MSEC,
                                          stream_handle_timeout, stream);
    return timer_arm(work->timer, usec);
}

// Returns 50 to 150 percent of it. Thousands of connections that began in the same second would
// otherwise all send their probes at the same moments. A packet queue would overflow, and live
// connections would be lost.
static int stream_spread(int seconds) {
    uint16_t random = UINT16_MAX / 2;

    (void)getrandom(&random, sizeof(random), 0);
    return seconds / 2 + seconds * random / UINT16_MAX;
}

// With TCP_USER_TIMEOUT the kernel ignores TCP_KEEPCNT. These values mean at least three probes.
void stream_keep_alive(Stream *stream) {
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, stream_spread(50)},
        {IPPROTO_TCP, TCP_KEEPINTVL, stream_spread(10)},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 120 * 1000},
    };

    for (size_t i = 0; i < ELEMENTSOF(options); i++)
        (void)setsockopt(stream->fd, options[i].level, options[i].name, &options[i].value,
                         sizeof(options[i].value));
}

void stream_pause(Stream *stream) {
    stream->work->paused = true;
}

void stream_yield(Stream *stream) {
    stream_pause(stream);
    poller_wait_turn(stream->poller, &stream->work->turn, &stream->watch);
}

int stream_hold(Stream *stream) {
    stream_pause(stream);
    stream->work->on_hold = MAX(stream_not_taken(stream), UINT64_C(1));
    return stream_set_timeout(stream, HOLD_USEC);
}

int stream_take_fd(Stream *stream) {
    int fd;

    poller_remove(stream->poller, &stream->watch);
    fd = TAKE_FD(stream->fd);
    stream_close(stream);
    return fd;
}

void stream_close(Stream *stream) {
    if (stream->poller)
        poller_remove(stream->poller, &stream->watch);
    stream_give_work_back(stream);
    stream->fd = close_fd(stream->fd);
}
