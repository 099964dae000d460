// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-server.h"

#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bus/names.h"
#include "peer/uploads/upload-http.h"
#include "peer/uploads/upload-seed.h"
#include "proto/http.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    // Enough bytes to tell DOWNLOAD from every HTTP method.
    GUESS_BYTES = 16,
};

// A connection whose first bytes have not arrived.
typedef struct PendingConnection {
    PendingRequest request;
    UploadServer *server;
    PollWatch watch;
    int fd;
    Endpoint remote;
} PendingConnection;

static const char *upload_server_failure(int error) {
    switch (error) {
    case -ESTALE:
        return "the file has changed while it was sent";
    case -ETIMEDOUT:
        return "the other side takes too little";
    case -EDQUOT:
        return "others were waiting, and its address had more than half of max-uploads";
    case -EPIPE:
    case -ECONNRESET:
        return "the other side has closed the connection";
    default:
        return strerror(-error);
    }
}

int upload_describe(Transfer *transfer, const Share *share, const Endpoint *remote) {
    _cleanup_free_ char *path = share_make_path(share);
    const Record record = share_record(share);

    transfer->path = path ? text_valid(path) : NULL;
    if (!transfer->path)
        return -ENOMEM;
    transfer->direction = TRANSFER_UPLOAD;
    transfer->owner = TRANSFER_NOBODY;
    transfer->size = record.size;
    transfer->remote = *remote;
    snprintf(transfer->text.name, sizeof(transfer->text.name), "%s", record.name);
    snprintf(transfer->text.type, sizeof(transfer->text.type), "%s", record.type);
    return 0;
}

void upload_finish_transfer(Transfer *transfer, int result) {
    if (result == 0)
        transfer_finish(transfer, TRANSFER_DONE, NULL, NULL);
    else if (result == -ECANCELED)
        transfer_finish(transfer, TRANSFER_CANCELLED, NULL, NULL);
    else
        transfer_finish(transfer, TRANSFER_FAILED, BUS_ERROR_NO_SOURCE, "%s",
                        upload_server_failure(result));
}

static void upload_server_arm_timer(UploadServer *server) {
    const PendingRequest *oldest = TAILQ_FIRST(&server->requests);

    if (!oldest)
        return;
    (void)sd_event_source_set_time(server->timer, oldest->deadline);
    (void)sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

void pending_request_remove(UploadServer *server, PendingRequest *request) {
    if (!request->listed)
        return;
    TAILQ_REMOVE(&server->requests, request, link);
    server->request_count--;
    request->listed = false;
}

static void upload_server_drop(UploadServer *server, PendingRequest *request) {
    pending_request_remove(server, request);
    request->drop(request);
}

// Keeps the list sorted by deadline. A new request goes to the end, unless its connection already
// waited before we knew its protocol.
void pending_request_add(UploadServer *server, PendingRequest *request) {
    PendingRequest *before;

    if (server->request_count >= PENDING_REQUESTS_MAX)
        upload_server_drop(server, TAILQ_FIRST(&server->requests));
    TAILQ_FOREACH_REVERSE (before, &server->requests, PendingRequestList, link)
        if (before->deadline <= request->deadline)
            break;
    if (before)
        TAILQ_INSERT_AFTER(&server->requests, before, request, link);
    else
        TAILQ_INSERT_HEAD(&server->requests, request, link);
    request->listed = true;
    if (server->request_count++ == 0)
        upload_server_arm_timer(server);
}

static int upload_server_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                  void *userdata) {
    UploadServer *server = userdata;
    uint64_t now = time_monotonic();
    PendingRequest *oldest;

    while ((oldest = TAILQ_FIRST(&server->requests)) && oldest->deadline <= now)
        upload_server_drop(server, oldest);
    upload_server_arm_timer(server);
    return 0;
}

static void pending_connection_free(PendingConnection *pending) {
    poller_remove(pending->server->poller, &pending->watch);
    close_fd(pending->fd);
    free(pending);
}

static void pending_connection_drop(PendingRequest *request) {
    pending_connection_free(container_of(request, PendingConnection, request));
}

// Sets how many bytes must arrive before the socket wakes us.
static void upload_server_set_wake(int fd, int bytes) {
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

// Peeks at the first bytes and passes the connection on. The next reader gets the same bytes again.
static void upload_server_on_bytes(PollWatch *watch, uint32_t events _unused_) {
    PendingConnection *pending = container_of(watch, PendingConnection, watch);
    UploadServer *server = pending->server;
    char data[GUESS_BYTES];
    HttpGuess guess = HTTP_GUESS_NO;
    ssize_t n;

    n = recv(pending->fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        guess = http_guess(data, n);
    if (guess == HTTP_GUESS_MORE && !(events & EPOLLRDHUP)) {
        upload_server_set_wake(pending->fd, (int)n + 1);
        return;
    }
    upload_server_set_wake(pending->fd, 1);
    poller_remove(server->poller, &pending->watch);
    pending_request_remove(server, &pending->request);
    if (guess == HTTP_GUESS_YES)
        upload_http_start(server, TAKE_FD(pending->fd), &pending->remote);
    else if (n >= 0)
        upload_seed_start(server, TAKE_FD(pending->fd), &pending->remote,
                          pending->request.deadline);
    pending_connection_free(pending);
}

void upload_accept(UploadServer *server, int fd, const Endpoint *remote) {
    const int on = 1;
    PendingConnection *pending = calloc(1, sizeof(*pending));

    if (!pending) {
        close_fd(fd);
        return;
    }
    // No write needs Nagle's delay: each one is complete, or uses MSG_MORE.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    pending->server = server;
    pending->fd = fd;
    pending->remote = *remote;
    pending->request.drop = pending_connection_drop;
    pending->request.deadline = time_monotonic() + REQUEST_USEC;
    pending->watch.fd = -EBADF;
    if (poller_add(server->poller, &pending->watch, fd, EPOLLIN | EPOLLRDHUP,
                   upload_server_on_bytes) < 0) {
        pending_connection_free(pending);
        return;
    }
    pending_request_add(server, &pending->request);
}

int upload_server_init(UploadServer *server, Poller *poller, TransferTable *transfers,
                       const Shares *shares) {
    int r;

    *server = (UploadServer){
        .poller = poller,
        .transfers = transfers,
        .shares = shares,
    };
    TAILQ_INIT(&server->requests);
    TAILQ_INIT(&server->uploads);
    TAILQ_INIT(&server->files);
    LIST_INIT(&server->layers);
    r = sd_event_add_time_relative(poller_event(poller), &server->timer, CLOCK_MONOTONIC, 0,
                                   10 * USEC_PER_MSEC, upload_server_on_timer, server);
    if (r >= 0)
        r = sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = loop_thread_new(poller_event(poller), "uploads", &server->thread);
    return r < 0 ? r : upload_hub_init(&server->hub, server->thread);
}

int upload_server_start(UploadServer *server) {
    return loop_thread_start(server->thread);
}

uint64_t upload_server_silence(UploadServer *server, uint64_t now) {
    return loop_thread_silence(server->thread, now);
}

void upload_server_done(UploadServer *server) {
    PendingRequest *request;

    if (!server->poller)
        return;
    loop_thread_stop(server->thread);
    while ((request = TAILQ_FIRST(&server->requests)))
        upload_server_drop(server, request);
    upload_seed_free_all(server);
    upload_http_file_free_all(server);
    upload_hub_done(&server->hub);
    server->thread = loop_thread_free(server->thread);
    server->timer = sd_event_source_disable_unref(server->timer);
}

int upload_server_configure(UploadServer *server, uint64_t max_uploads, uint64_t rate,
                            const PrefixList *exempt) {
    return upload_hub_configure(&server->hub, max_uploads, rate, exempt);
}

void upload_server_shares_changed(UploadServer *server) {
    server->hub.generation++;
}
