// SPDX-License-Identifier: MIT

#include "peer/upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "net/stream.h"
#include "proto/message.h"
#include "proto/name.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    OUT_BYTES_MAX = 4096, // nothing is ever written before the mover has the socket
};

static const uint64_t REQUEST_USEC = 10 * USEC_PER_SEC;

typedef struct Upload {
    Transfer transfer;
    UploadServer *server;
    TAILQ_ENTRY(Upload) link; // in server->requests or server->waiting
    Stream stream;            // until the request is understood
    Framer framer;
    uint64_t deadline; // CLOCK_MONOTONIC µs, of the request
    bool quiet;
    int socket_fd; // from then on, until the mover has it
    int file_fd;
} Upload;

static Upload *upload_free(Upload *upload) {
    stream_close(&upload->stream);
    close_fd(upload->socket_fd);
    close_fd(upload->file_fd);
    free(upload->transfer.path);
    free(upload->transfer.error_message);
    free(upload);
    return NULL;
}

static void forget_request(Upload *upload) {
    TAILQ_REMOVE(&upload->server->requests, upload, link);
    upload->server->request_count--;
}

static void start_waiting(UploadServer *server);

static void on_moved(Move *move) {
    Upload *upload = move->userdata;
    UploadServer *server = upload->server;
    Transfer *transfer = &upload->transfer;
    int r = move->result;

    if (r >= 0)
        transfer_finish(transfer, TRANSFER_DONE, NULL, NULL);
    else if (r == -ECANCELED)
        transfer_finish(transfer, TRANSFER_CANCELLED, NULL, NULL);
    else
        transfer_finish(transfer, TRANSFER_FAILED, BUS_ERROR_NO_SOURCE, "%s",
                        r == -ESTALE      ? "the file has changed while it was sent"
                        : r == -ETIMEDOUT ? "the other side takes nothing any more"
                                          : strerror(-r));
    transfer->move = move_free(move);
    server->active_count--;
    start_waiting(server);
}

static int start_upload(Upload *upload) {
    _cleanup_(move_freep) Move *move = NULL;
    int r;

    move = move_new(MOVE_SEND);
    if (!move)
        return -ENOMEM;
    r = buffer_append(&move->lead, WORD_FILE " ", strlen(WORD_FILE " "));
    if (r < 0)
        return r;
    move->socket_fd = TAKE_FD(upload->socket_fd);
    move->file_fd = TAKE_FD(upload->file_fd);
    move->size = upload->transfer.size;
    move->on_done = on_moved;
    move->userdata = upload;
    upload->server->active_count++;
    upload->transfer.move = move;
    mover_submit(upload->server->mover, TAKE_PTR(move));
    transfer_set_state(&upload->transfer, TRANSFER_ACTIVE);
    return 0;
}

static void start_waiting(UploadServer *server) {
    Upload *upload;

    while (server->active_count < server->max_uploads && (upload = TAILQ_FIRST(&server->waiting))) {
        TAILQ_REMOVE(&server->waiting, upload, link);
        server->waiting_count--;
        if (start_upload(upload) < 0)
            transfer_finish(&upload->transfer, TRANSFER_FAILED, BUS_ERROR_NO_SOURCE,
                            "out of memory");
    }
}

static void cancel(Transfer *transfer) {
    Upload *upload = container_of(transfer, Upload, transfer);

    if (transfer->move) {
        move_cancel(transfer->move);
        return;
    }
    TAILQ_REMOVE(&upload->server->waiting, upload, link);
    upload->server->waiting_count--;
    upload->socket_fd = close_fd(upload->socket_fd);
    upload->file_fd = close_fd(upload->file_fd);
    transfer_finish(transfer, TRANSFER_CANCELLED, NULL, NULL);
}

static void free_transfer(Transfer *transfer) {
    upload_free(container_of(transfer, Upload, transfer));
}

static const TransferOps transfer_ops = {.cancel = cancel, .free = free_transfer};

static bool queue_is_full(const UploadServer *server, const IpAddress *address) {
    const Upload *upload;
    size_t n = 0;

    TAILQ_FOREACH (upload, &server->waiting, link)
        n += address_equal(&upload->transfer.remote.address, address);
    return server->waiting_count >= UPLOADS_WAITING_MAX || n >= UPLOADS_WAITING_PER_ADDRESS_MAX;
}

// The request was for something that is shared: from here on it is a transfer.
static int enter_transfer(Upload *upload, const Share *share, int file_fd) {
    const Record record = share_record(share);
    _cleanup_free_ char *path = NULL;
    Transfer *transfer = &upload->transfer;
    UploadServer *server = upload->server;
    int r;

    upload->file_fd = file_fd;
    if (queue_is_full(server, &upload->stream.remote.address))
        return -EBUSY;
    transfer->ops = &transfer_ops;
    transfer->direction = TRANSFER_UPLOAD;
    transfer->state = TRANSFER_WAITING;
    transfer->size = record.size;
    transfer->remote = upload->stream.remote;
    path = share_make_path(share);
    transfer->path = path ? text_valid(path) : NULL;
    if (!transfer->path)
        return -ENOMEM;
    snprintf(transfer->text.name, sizeof(transfer->text.name), "%s", record.name);
    snprintf(transfer->text.type, sizeof(transfer->text.type), "%s", record.type);
    r = transfer_add(server->transfers, transfer);
    if (r < 0)
        return r;
    upload->socket_fd = stream_take_fd(&upload->stream);
    forget_request(upload);
    TAILQ_INSERT_TAIL(&server->waiting, upload, link);
    server->waiting_count++;
    start_waiting(server);
    return 0;
}

static void log_refusal(Upload *upload, const char *what, size_t len, const char *why) {
    _cleanup_free_ char *shown = text_escape(what, len);
    char remote[ENDPOINT_TEXT_MAX];
    uint64_t suppressed;

    if (!log_limit_pass(&upload->server->limit, &suppressed))
        return;
    endpoint_format(&upload->stream.remote, remote);
    log_info("Refused %s the request \"%s\": %s", remote, shown ?: "", why);
    if (suppressed > 0)
        log_info("(%" PRIu64 " refusals before this one were not logged)", suppressed);
}

static int handle_request(Upload *upload, const char *data, size_t len) {
    const Message message = message_parse(data, len);
    const Share *share;
    RecordText text;
    Record wanted;
    int fd, r;

    if (message.kind != MESSAGE_DOWNLOAD ||
        record_parse_file(message.argument, message.argument_len, &text, &wanted) < 0) {
        log_refusal(upload, data, len, "not a DOWNLOAD");
        return -EPROTO;
    }
    share = share_table_find(*upload->server->shares, wanted.name, wanted.type, wanted.size);
    if (!share) {
        log_refusal(upload, data, len, "not shared with that name, type and size");
        return -ENOENT;
    }
    fd = share_open(share);
    if (fd < 0) {
        log_refusal(upload, data, len,
                    fd == -ESTALE ? "the file has changed since it was read in" : strerror(-fd));
        return fd;
    }
    r = enter_transfer(upload, share, fd);
    if (r < 0)
        log_refusal(upload, data, len, r == -EBUSY ? "too many are waiting" : strerror(-r));
    return r;
}

static int on_data(Stream *stream, const char *data, size_t len, bool eof, size_t *ret_consumed) {
    Upload *upload = container_of(stream, Upload, stream);
    size_t request_len;
    const char *request;

    switch (frame_next(&upload->framer, data, len, upload->quiet || eof, &request, &request_len,
                       ret_consumed)) {
    case FRAME_MESSAGE:
        return handle_request(upload, request, request_len);
    case FRAME_MORE_OR_QUIET:
        // A byte now and then must not hold the connection for ever.
        if (time_monotonic() >= upload->deadline)
            return -ETIMEDOUT;
        return stream_set_timeout(stream, SILENCE_DOWNLOAD_USEC);
    case FRAME_MORE:
        return eof || upload->quiet ? -EPROTO : 0;
    case FRAME_TOO_LONG:
        break;
    }
    return -EMSGSIZE;
}

// Either the silence that ends a request without a newline, or the end of the time to make one.
static int on_timeout(Stream *stream) {
    Upload *upload = container_of(stream, Upload, stream);

    if (stream->in.size == 0)
        return -ETIMEDOUT;
    upload->quiet = true;
    return stream_reconsider(stream);
}

static void on_closed(Stream *stream, int error _unused_) {
    Upload *upload = container_of(stream, Upload, stream);

    forget_request(upload);
    upload_free(upload);
}

static const StreamOps stream_ops = {
    .on_data = on_data,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

void upload_accept(UploadServer *server, int fd, const Endpoint *remote) {
    Upload *upload, *oldest;

    upload = calloc(1, sizeof(*upload));
    if (!upload) {
        close_fd(fd);
        return;
    }
    upload->server = server;
    upload->socket_fd = upload->file_fd = -EBADF;
    upload->framer.source = FRAME_FROM_PEER;
    upload->deadline = time_monotonic() + REQUEST_USEC;
    if (stream_accept(&upload->stream, server->poller, &stream_ops, fd, remote, OUT_BYTES_MAX) <
            0 ||
        stream_set_timeout(&upload->stream, REQUEST_USEC) < 0) {
        upload_free(upload);
        return;
    }
    if (server->request_count >= REQUESTS_MAX) {
        oldest = TAILQ_FIRST(&server->requests);
        forget_request(oldest);
        upload_free(oldest);
    }
    TAILQ_INSERT_TAIL(&server->requests, upload, link);
    server->request_count++;
}

void upload_server_init(UploadServer *server, Poller *poller, Mover *mover,
                        TransferTable *transfers, ShareTable *const *shares, uint64_t max_uploads) {
    *server = (UploadServer){
        .poller = poller,
        .mover = mover,
        .transfers = transfers,
        .shares = shares,
        .max_uploads = max_uploads,
    };
    TAILQ_INIT(&server->requests);
    TAILQ_INIT(&server->waiting);
}

void upload_server_done(UploadServer *server) {
    Upload *upload, *next;

    if (!server->poller)
        return;
    TAILQ_FOREACH_SAFE(upload, &server->requests, link, next) {
        forget_request(upload);
        upload_free(upload);
    }
}

void upload_server_set_max(UploadServer *server, uint64_t max_uploads) {
    server->max_uploads = max_uploads;
    start_waiting(server);
}
