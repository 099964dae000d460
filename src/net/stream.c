// SPDX-License-Identifier: MIT

#include "net/stream.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/macro.h"

enum {
    // Memory that a connection may keep for input although it holds little.
    IN_SPARE_BYTES = 8192,
    // And what it may hold, of both directions, however much all of them together do: half a line, a few answers.
    HELD_ANYWAY_BYTES = 8192,
};

static void handle_events(PollWatch *watch, uint32_t events);

// The last thing that happens to a stream by itself: the owner may free it in on_closed.
static void fail(Stream *stream, int error) {
    stream_close(stream);
    stream->ops->on_closed(stream, error);
}

static int update_events(Stream *stream) {
    uint32_t events = 0;

    if (stream->connecting)
        events = EPOLLOUT;
    else {
        events |= stream->eof || stream->paused ? 0 : EPOLLIN;
        events |= stream->out.size > 0 ? EPOLLOUT : 0;
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
        .connecting = connecting,
    };
    // Messages are written whole: waiting for more of them only adds delay.
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return poller_add(poller, &stream->watch, fd, connecting ? EPOLLOUT : EPOLLIN, handle_events);
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
    if (!stream->out.data)
        stream->out = poller_lend_buffer(stream->poller);
    return &stream->out;
}

static int send_queued(Stream *stream) {
    while (stream->out.size > 0) {
        ssize_t n = send(stream->fd, buffer_data(&stream->out), stream->out.size,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        if (n == stream->out.size)
            poller_take_back(stream->poller, &stream->out);
        else
            buffer_consume(&stream->out, n);
    }
    return 0;
}

int stream_flush(Stream *stream) {
    int r;

    if (stream->fd < 0 || stream->connecting)
        return 0;
    if (stream->error < 0)
        return stream->error;
    r = send_queued(stream);
    poller_count_held(stream->poller, &stream->held, stream->in.capacity + stream->out.capacity);
    if (r < 0)
        return r;
    // First of all, so that whoever does not look at the result now gets it with the next event.
    r = update_events(stream);
    if (stream->out.size > stream->out_max ||
        (stream->held > HELD_ANYWAY_BYTES && poller_holds_too_much(stream->poller)))
        return -ENOBUFS;
    return r;
}

// What fails now fails again when the callback that runs is over, or with the next event.
void stream_flush_later(Stream *stream) {
    if (!poller_later(stream->poller, &stream->watch))
        (void) stream_flush(stream);
}

void stream_fail_later(Stream *stream, int error) {
    stream->error = error;
    stream_flush_later(stream);
}

// What is left of a burst is less than a message: let it not hold the memory of the burst, for as long
// as the other side likes to be silent.
static int keep_rest(Buffer *in, size_t consumed) {
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

// Shows the owner what is there. `data` is scratch memory, or stream->in's own.
static int deliver(Stream *stream, const char *data, size_t len) {
    bool owned = data == buffer_data(&stream->in);
    size_t consumed = 0;
    int r;

    r = stream->ops->on_data(stream, data, len, stream->eof, &consumed);
    if (stream->out.size == 0)
        poller_take_back(stream->poller, &stream->out);
    if (stream->fd < 0)
        return r;
    if (r < 0) {
        (void) send_queued(stream); // the answers to what came before the reason to close
        return r;
    }
    assert(consumed <= len);
    if (owned)
        r = keep_rest(&stream->in, consumed);
    else if (consumed < len)
        r = buffer_append(&stream->in, data + consumed, len - consumed);
    if (r < 0 || poller_later(stream->poller, &stream->watch))
        return r;
    return stream_flush(stream);
}

int stream_reconsider(Stream *stream) {
    // Owners add to the pointer, which NULL does not bear.
    return deliver(stream, buffer_data(&stream->in) ?: "", stream->in.size);
}

static int receive(Stream *stream) {
    char *scratch = poller_scratch(stream->poller);
    ssize_t n;
    int r;

    n = recv(stream->fd, scratch, POLLER_SCRATCH_BYTES, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    stream->eof = n == 0;
    if (stream->in.size == 0)
        return deliver(stream, scratch, n);
    r = buffer_append(&stream->in, scratch, n);
    return r < 0 ? r : stream_reconsider(stream);
}

static int finish_connect(Stream *stream) {
    socklen_t len = sizeof(int);
    int error, r;

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    if (error != 0)
        return -error;
    stream->connecting = false;
    r = stream->ops->on_connected ? stream->ops->on_connected(stream) : 0;
    return r < 0 ? r : stream_flush(stream);
}

static void handle_events(PollWatch *watch, uint32_t events) {
    Stream *stream = container_of(watch, Stream, watch);
    int r = 0;

    if (stream->connecting && events != 0)
        r = finish_connect(stream);
    else {
        if (events == 0 || (events & EPOLLOUT))
            r = stream_flush(stream);
        if (r >= 0 && !stream->eof && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            r = receive(stream);
        else if (r >= 0 && stream->eof && (events & (EPOLLHUP | EPOLLERR)))
            r = -ECONNRESET; // nobody is left to read the answer
    }
    if (r < 0)
        fail(stream, r);
    else if (stream->fd >= 0 && stream->eof && !stream->paused && stream->out.size == 0)
        fail(stream, 0);
}

static int handle_timeout(sd_event_source *source _unused_, uint64_t usec _unused_,
                          void *userdata) {
    Stream *stream = userdata;
    int r;

    r = stream->ops->on_timeout ? stream->ops->on_timeout(stream) : -ETIMEDOUT;
    if (r < 0)
        fail(stream, r);
    return 0;
}

int stream_set_timeout(Stream *stream, uint64_t usec) {
    int r;

    if (usec == 0) {
        // Most connections need no timer most of the time, and a source costs 400 bytes.
        stream->timer = sd_event_source_disable_unref(stream->timer);
        return 0;
    }
    if (!stream->timer)
        return sd_event_add_time_relative(poller_event(stream->poller), &stream->timer,
                                          CLOCK_MONOTONIC, usec, 10 * USEC_PER_MSEC, handle_timeout,
                                          stream);
    r = sd_event_source_set_time_relative(stream->timer, usec);
    return r < 0 ? r : sd_event_source_set_enabled(stream->timer, SD_EVENT_ONESHOT);
}

void stream_keep_alive(Stream *stream) {
    static const struct {
        int level, name, value;
    } options[] = {
        // A dead peer is found after 60 + 4 * 15 s of silence, or when nothing that was sent is
        // acknowledged for two minutes.
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 120 * 1000},
    };

    for (size_t i = 0; i < ELEMENTSOF(options); i++)
        (void) setsockopt(stream->fd, options[i].level, options[i].name, &options[i].value,
                          sizeof(options[i].value));
}

void stream_pause(Stream *stream) {
    stream->paused = true;
}

void stream_resume(Stream *stream) {
    int r;

    stream->paused = false;
    r = stream_reconsider(stream);
    if (r < 0)
        fail(stream, r);
    else if (stream->fd >= 0 && stream->eof && !stream->paused && stream->out.size == 0)
        fail(stream, 0);
}

int stream_take_fd(Stream *stream) {
    int fd;

    poller_remove(stream->poller, &stream->watch);
    fd = TAKE_FD(stream->fd);
    stream_close(stream);
    return fd;
}

void stream_close(Stream *stream) {
    if (stream->poller) {
        poller_remove(stream->poller, &stream->watch);
        poller_count_held(stream->poller, &stream->held, 0);
    }
    stream->timer = sd_event_source_disable_unref(stream->timer);
    buffer_clear(&stream->in);
    buffer_clear(&stream->out);
    stream->fd = close_fd(stream->fd);
}
