// SPDX-License-Identifier: MIT

// One source of a swarm: connects, requests the piece layer or a run of pieces, and receives them.

#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "peer/swarm/swarm-internal.h"
#include "proto/http-value.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"

enum {
    // Pieces per request: few at first, and more once the peer has shown that it is fast.
    RUN_FIRST = 4,
    RUN_MAX = 64,
    FAILURES_MAX = 4, // in a row
    RECEIVES_AT_ONCE = 4,
    REQUEST_BYTES_MAX = 2048,
    RETRY_AFTER_MAX = 30, // seconds, even if the peer says more
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
static const uint64_t HEAD_USEC = 10 * USEC_PER_SEC;
// A peer that sends less than STALL_BYTES in STALL_USEC is gone, or not worth waiting for.
static const uint64_t STALL_USEC = 20 * USEC_PER_SEC;
static const uint64_t STALL_BYTES = 16 * 1024;
static const uint64_t RETRY_USEC = USEC_PER_SEC / 2; // doubles with each failure in a row

static Poller *source_poller(const SwarmSource *source) {
    return loop_thread_poller(source->swarm->engine->thread);
}

static void source_set_state(SwarmSource *source, SourceState state) {
    source->state = state;
    source->since = time_monotonic();
    source->stall_bytes = 0;
}

int source_new(Swarm *swarm, const SwarmSourceInfo *info) {
    SwarmSource *source;
    int r;

    source = calloc(1, sizeof(*source));
    if (!source)
        return -ENOMEM;
    r = merkle_new(&source->merkle);
    if (r < 0) {
        free(source);
        return r;
    }
    merkle_use(source->merkle, swarm->engine->leaves);
    source->swarm = swarm;
    source->info = *info;
    source->fd = source->watch.fd = -EBADF;
    source->run = RUN_FIRST;
    TAILQ_INSERT_TAIL(&swarm->sources, source, link);
    swarm->source_count++;
    return 0;
}

static void source_disconnect(SwarmSource *source) {
    Swarm *swarm = source->swarm;

    if (source->fd < 0)
        return;
    engine_unqueue(source);
    poller_remove(source_poller(source), &source->watch);
    source->fd = close_fd(source->fd);
    buffer_clear(&source->in);
    swarm->engine->connections--;
    if (source->asks_layer)
        swarm->layer_asked = 0;
    source->asks_layer = false;
    piece_map_give_back(&swarm->map, source->piece, source->run_end);
    source->run_end = source->piece = source->offset = source->body_left = 0;
    source->queue_place = 0;
    source->wake = 0;
}

SwarmSource *source_free(SwarmSource *source) {
    if (!source)
        return NULL;
    source_disconnect(source);
    TAILQ_REMOVE(&source->swarm->sources, source, link);
    source->swarm->source_count--;
    merkle_free(source->merkle);
    free(source);
    return NULL;
}

void source_close(SwarmSource *source) {
    source_disconnect(source);
    if (source->state != SOURCE_DROPPED)
        source_set_state(source, SOURCE_RESTING);
}

static void source_note(SwarmSource *source, const char *why) {
    char remote[ENDPOINT_TEXT_MAX];
    Swarm *swarm = source->swarm;

    endpoint_format(&source->info.endpoint, remote);
    snprintf(swarm->why, sizeof(swarm->why), "%s %s", remote, why);
}

static void source_drop_as(SwarmSource *source, const char *why, const char *event,
                           LogLimit *limit) {
    char remote[ENDPOINT_TEXT_MAX];
    Swarm *swarm = source->swarm;

    if (source->state == SOURCE_DROPPED)
        return;
    endpoint_format(&source->info.endpoint, remote);
    source_disconnect(source);
    source_set_state(source, SOURCE_DROPPED);
    source_note(source, why);
    log_limited(limit, LOG_NOTICE,
                &(LogFields){
                    .id = event,
                    .peer = remote,
                    .file = swarm->file_name,
                    .transfer = swarm->transfer,
                },
                "Download of %s: %s; not asked again", swarm->file_name, swarm->why);
    swarm_source_idle(swarm);
}

void source_drop(SwarmSource *source, const char *why) {
    source_drop_as(source, why, NULL, &source->swarm->engine->drop_log);
}

void source_drop_wrong(SwarmSource *source, const char *why) {
    source->swarm->engine->wrong_sources++;
    source->lied = true;
    source_drop_as(source, why, EVENT_WRONG_DATA, &source->swarm->engine->wrong_log);
}

// Handles an error that may be temporary. After FAILURES_MAX errors in a row, drops the source.
static void source_fail(SwarmSource *source, const char *why) {
    if (++source->failures >= FAILURES_MAX) {
        source_drop(source, why);
        return;
    }
    source_note(source, why);
    log_debug("Download of %s: %s", source->swarm->file_name, source->swarm->why);
    source_close(source);
    source->not_before = time_monotonic() + (RETRY_USEC << (source->failures - 1));
    swarm_source_idle(source->swarm);
}

static void source_fail_errno(SwarmSource *source, int error) {
    source_fail(source, error == -ETIMEDOUT    ? "does not answer"
                        : error == -ECONNRESET ? "has closed the connection"
                                               : strerror(-error));
}

static void source_on_socket(PollWatch *watch, uint32_t events);

static int source_connect_socket(SwarmSource *source) {
    const int on = 1;
    SocketAddress address;
    socklen_t len = endpoint_to_sockaddr(&source->info.endpoint, &address);

    source->fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (source->fd < 0)
        return -errno;
    source->swarm->engine->connections++;
    (void)setsockopt(source->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(source->fd, &address.sa, len) < 0 && errno != EINPROGRESS)
        return -errno;
    return poller_add(source_poller(source), &source->watch, source->fd, EPOLLOUT,
                      source_on_socket);
}

void source_connect(SwarmSource *source) {
    int r;

    source_set_state(source, SOURCE_CONNECTING);
    source->connected_at = source->since;
    r = source_connect_socket(source);
    if (r < 0)
        source_fail_errno(source, r);
}

static void source_finish_connect(SwarmSource *source) {
    socklen_t len = sizeof(int);
    int error = 0, r;

    if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    r = error ? -error : poller_change(source_poller(source), &source->watch, EPOLLIN);
    if (r < 0) {
        source_fail_errno(source, r);
        return;
    }
    source_set_state(source, SOURCE_READY);
    swarm_assign(source->swarm, source);
}

// An idle socket takes far more bytes at once than a request has, so one send() is enough.
static void source_send_request(SwarmSource *source, const char *kind, const char *name,
                                const char *range) {
    char request[REQUEST_BYTES_MAX], host[ENDPOINT_TEXT_MAX], root[MERKLE_TEXT_BYTES + 1];
    ssize_t sent;
    int len;

    endpoint_format(&source->info.endpoint, host);
    merkle_hash_format(&source->swarm->root, root);
    len =
        snprintf(request, sizeof(request),
                 "GET /%s/%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: p2pshare/" VERSION "\r\n%s\r\n",
                 kind, root, name, host, range);
    source_set_state(source, SOURCE_ASKED);
    sent = send(source->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != len)
        source_fail_errno(source, sent >= 0 || errno == EPIPE ? -ECONNRESET : -errno);
}

void source_request_layer(SwarmSource *source) {
    source->asks_layer = true;
    source->swarm->layer_asked = time_monotonic();
    source_send_request(source, "pieces", "", "");
}

void source_request_run(SwarmSource *source, uint64_t first, uint64_t n) {
    const Swarm *swarm = source->swarm;
    uint64_t begin = first * swarm->piece_bytes, end = (first + n) * swarm->piece_bytes;
    char name[1024], range[80];

    source->piece = first;
    source->run_end = first + n;
    source->offset = 0;
    source->run_bytes = MIN(end, swarm->size) - begin;
    snprintf(name, sizeof(name), "/%s", swarm->url_name);
    snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n", begin,
             begin + source->run_bytes - 1);
    source->run_began = time_monotonic();
    source_send_request(source, "file", name, range);
}

// The peer answered 503: all its slots are taken.
static void source_wait_for_slot(SwarmSource *source, const HttpHead *head) {
    uint64_t seconds = 2, place = 1;
    HttpText text;

    if (http_head_find(head, "retry-after", &text) >= 0)
        (void)http_parse_number(text, &seconds);
    if (http_head_find(head, "queue-place", &text) >= 0)
        (void)http_parse_number(text, &place);
    source_close(source);
    source->queue_place = (uint32_t)MAX(MIN(place, (uint64_t)UINT32_MAX), UINT64_C(1));
    seconds = MAX(MIN(seconds, (uint64_t)RETRY_AFTER_MAX), UINT64_C(1));
    source->not_before = time_monotonic() + seconds * USEC_PER_SEC;
    swarm_source_idle(source->swarm);
}

// Checks that the response is exactly the run that we requested. NULL: it is; else what is wrong.
static const char *source_check_run(const SwarmSource *source, const HttpHead *head) {
    const Swarm *swarm = source->swarm;
    uint64_t first, last, size, begin = source->piece * swarm->piece_bytes;
    HttpText text;

    if (head->status == 200)
        return begin == 0 && source->run_bytes == swarm->size ? NULL : "ignores Range";
    if (http_head_find(head, "content-range", &text) < 0 ||
        http_parse_content_range(text, &first, &last, &size) < 0)
        return "sent no Content-Range";
    if (size != swarm->size)
        return "has a file of another size";
    if (first != begin || last - first + 1 != source->run_bytes)
        return "sent another range than it was asked for";
    return NULL;
}

static const char *source_check_body(const SwarmSource *source, const HttpHead *head,
                                     uint64_t expected) {
    uint64_t len;

    if (http_head_body(head, &len) < 0)
        return "does not say how long its answer is";
    if (len != expected)
        return !source->asks_layer ? "sent another length than that of the range"
                                   : "has a file of another size";
    return NULL;
}

static void source_set_wake(SwarmSource *source) {
    int bytes = source->body_left >= 2 * BLOCK_BYTES ? BLOCK_BYTES : 1;

    if (bytes == source->wake)
        return;
    source->wake = bytes;
    (void)setsockopt(source->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

static void source_handle_head(SwarmSource *source, const HttpHead *head) {
    bool layer = source->asks_layer;
    const char *wrong = NULL;

    if (head->status == 503) {
        source_wait_for_slot(source, head);
        return;
    }
    if (head->status != 200 && head->status != 206) {
        char why[64];

        snprintf(why, sizeof(why),
                 head->status == 404 ? "no longer has the file" : "answered with status %u",
                 head->status);
        // A 5xx error may be temporary. Any other error is permanent.
        if (head->status >= 500)
            source_fail(source, why);
        else
            source_drop(source, why);
        return;
    }
    source->body_left = layer ? source->swarm->map.count * sizeof(MerkleHash) : source->run_bytes;
    if (layer && head->status != 200)
        wrong = "sent a part of its piece layer";
    else if (!layer)
        wrong = source_check_run(source, head);
    if (!wrong)
        wrong = source_check_body(source, head, source->body_left);
    if (wrong) {
        source_drop(source, wrong);
        return;
    }
    source->queue_place = 0;
    source->closes = !http_head_keeps_alive(head);
    source_set_state(source, layer ? SOURCE_LAYER : SOURCE_BODY);
    if (!layer)
        source_set_wake(source);
}

static void source_receive_head(SwarmSource *source) {
    char *room = buffer_reserve(&source->in, HTTP_HEAD_BYTES_MAX);
    HttpHead head;
    ssize_t n;

    n = room ? recv(source->fd, room, HTTP_HEAD_BYTES_MAX, MSG_DONTWAIT) : -1;
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            source_fail_errno(source, n == 0 ? -ECONNRESET : -errno);
        return;
    }
    buffer_commit(&source->in, n);
    switch (http_response_parse(buffer_data(&source->in), source->in.size, &head)) {
    case HTTP_MORE:
        return;
    case HTTP_OK:
        source_handle_head(source, &head);
        if (source->state == SOURCE_LAYER || source->state == SOURCE_BODY) {
            buffer_consume(&source->in, head.len);
            source_receive(source);
        }
        return;
    default:
        source_drop(source, "does not speak HTTP");
    }
}

// If a part of the response is left, another source has taken it over, so close the connection.
static void source_end_response(SwarmSource *source) {
    if (source->body_left > 0 || source->closes)
        source_close(source);
    else
        source_set_state(source, SOURCE_READY);
    swarm_source_idle(source->swarm);
}

static void source_end_layer(SwarmSource *source) {
    Swarm *swarm = source->swarm;
    MerkleHash *pieces = (MerkleHash *)(void *)buffer_data(&source->in);
    bool good;

    // Another source may have sent the layer first.
    good = swarm->layer || swarm_take_layer(swarm, pieces);
    if (swarm->finished)
        return;
    if (!good) {
        source_drop_wrong(source, "sent piece hashes that do not lead to the root");
        return;
    }
    source->asks_layer = false;
    source->body_left = source->tick_bytes = 0;
    buffer_clear(&source->in);
    source_end_response(source);
}

static void source_receive_layer(SwarmSource *source) {
    uint64_t want = source->body_left - MIN(source->body_left, (uint64_t)source->in.size);
    char *room;
    ssize_t n;

    if (want > 0) {
        room = buffer_reserve(&source->in, MIN(want, (uint64_t)BLOCK_BYTES));
        n = room ? recv(source->fd, room, MIN(want, (uint64_t)BLOCK_BYTES), MSG_DONTWAIT) : -1;
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR))
                source_fail_errno(source, n == 0 ? -ECONNRESET : -errno);
            return;
        }
        buffer_commit(&source->in, n);
        source->tick_bytes += n;
        source->stall_bytes += n;
    }
    if (source->in.size > source->body_left)
        source_drop(source, "sent more than it had announced");
    else if (source->in.size == source->body_left)
        source_end_layer(source);
}

// The run is over. The next request asks a fast peer for more pieces, and a slow one for fewer.
static void source_end_run(SwarmSource *source) {
    uint64_t usec = time_monotonic() - source->run_began;
    uint64_t received =
        source->run_bytes - source->body_left; // another source may have taken over the rest

    source->speed = (double)received * USEC_PER_SEC / (double)MAX(usec, UINT64_C(1));
    if (usec < USEC_PER_SEC)
        source->run = MIN(source->run * 2, (uint64_t)RUN_MAX);
    else if (usec > 4 * USEC_PER_SEC)
        source->run = MAX(source->run / 2, UINT64_C(1));
    source->piece = source->run_end = 0;
    source_end_response(source);
}

static int source_write_block(const Swarm *swarm, const Block *block, uint64_t at) {
    size_t done = 0;

    while (done < block->len) {
        ssize_t n = pwrite(swarm->fd, block->data + done, block->len - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += n;
    }
    return 0;
}

// Writes the block to the file and sends it to the verify thread. False: stop receiving for now.
static bool source_take_block(SwarmSource *source, Block *block) {
    Swarm *swarm = source->swarm;
    uint64_t len = piece_len(swarm->size, source->piece);
    int r;

    block->source = source;
    block->piece = source->piece;
    block->first = source->offset == 0;
    block->last = source->offset + block->len == len;
    r = source_write_block(swarm, block, source->piece * swarm->piece_bytes + source->offset);
    if (r < 0) {
        engine_return_block(swarm->engine, block);
        swarm_finish(swarm, r);
        return false;
    }
    source->offset += block->len;
    source->body_left -= block->len;
    source->tick_bytes += block->len;
    source->stall_bytes += block->len;
    swarm->busy_count++;
    source->busy_count++;
    engine_verify(swarm->engine, block);
    if (source->offset == len) {
        source->piece++;
        source->offset = 0;
    }
    if (source->piece == source->run_end) {
        source_end_run(source);
        return false;
    }
    source_set_wake(source);
    return true;
}

// Reads the bytes that arrived with the head, then the socket. As recv(2), but returns -errno.
static ssize_t source_receive_into(SwarmSource *source, char *data, size_t len) {
    size_t buffered = MIN(source->in.size, len);
    ssize_t n;

    if (buffered > 0) {
        memcpy(data, buffer_data(&source->in), buffered);
        buffer_consume(&source->in, buffered);
        return (ssize_t)buffered;
    }
    n = recv(source->fd, data, len, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

// Receives one block. False: no more can be received now.
static bool source_receive_block(SwarmSource *source) {
    Swarm *swarm = source->swarm;
    SwarmEngine *engine = swarm->engine;
    uint64_t want = piece_len(swarm->size, source->piece) - source->offset;
    Block *block;
    ssize_t n;

    want = MIN(want, (uint64_t)BLOCK_BYTES);
    if (!source->info.exempt)
        want = rate_limit_grant(engine->limit, want, time_monotonic());
    if (want == 0) {
        engine_throttle(engine, source);
        return false;
    }
    block = engine_take_block(engine);
    if (!block) {
        engine_starve(engine, source);
        return false;
    }
    n = source_receive_into(source, block->data, want);
    if (n <= 0) {
        engine_return_block(engine, block);
        if (n != -EAGAIN && n != -EINTR)
            source_fail_errno(source, n == 0 ? -ECONNRESET : (int)n);
        return false;
    }
    engine->received += n;
    if (!source->info.exempt)
        rate_limit_spend(engine->limit, n);
    block->len = n;
    return source_take_block(source, block) && (uint64_t)n == want;
}

// No request is running: the peer closes an idle connection, or sends bytes without a request.
static void source_receive_unasked(SwarmSource *source) {
    char byte;
    ssize_t n;

    if (source->fd < 0)
        return;
    n = recv(source->fd, &byte, 1, MSG_DONTWAIT);
    if (n > 0)
        source_drop(source, "sent what nobody asked for");
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        source_close(source);
}

void source_receive(SwarmSource *source) {
    switch (source->state) {
    case SOURCE_ASKED:
        source_receive_head(source);
        break;
    case SOURCE_LAYER:
        source_receive_layer(source);
        break;
    case SOURCE_BODY:
        for (int i = 0; i < RECEIVES_AT_ONCE && source->state == SOURCE_BODY; i++)
            if (!source_receive_block(source))
                break;
        break;
    default:
        source_receive_unasked(source);
    }
}

static void source_on_socket(PollWatch *watch, uint32_t events _unused_) {
    SwarmSource *source = container_of(watch, SwarmSource, watch);

    if (source->state == SOURCE_CONNECTING)
        source_finish_connect(source);
    else
        source_receive(source);
}

static void source_update_speed(SwarmSource *source) {
    double now = (double)source->tick_bytes * 4; // there are four ticks per second

    source->tick_bytes = 0;
    if (source->state == SOURCE_BODY || source->state == SOURCE_LAYER)
        source->speed = source->speed > 0 ? source->speed * 0.7 + now * 0.3 : now;
}

void source_tick(SwarmSource *source, uint64_t now) {
    uint64_t limit = source->state == SOURCE_CONNECTING ? CONNECT_USEC
                     : source->state == SOURCE_ASKED    ? HEAD_USEC
                                                        : STALL_USEC;

    source_update_speed(source);
    if (source->state == SOURCE_RESTING || source->state == SOURCE_READY ||
        source->state == SOURCE_DROPPED)
        return;
    // The peer is not at fault if our own rate or our own disk delays it.
    if (source->queue != QUEUE_NONE || source->stall_bytes >= STALL_BYTES) {
        source->since = now;
        source->stall_bytes = 0;
        return;
    }
    if (now - source->since >= limit)
        source_fail_errno(source, -ETIMEDOUT);
    else if (source->state == SOURCE_BODY)
        source_receive(source); // fewer bytes than SO_RCVLOWAT may have arrived
}
