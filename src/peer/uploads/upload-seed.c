// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-seed.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/stream.h"
#include "proto/message.h"
#include "proto/name.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    OUT_BYTES_MAX = 4096, // the stream writes nothing: the thread sends the answer
};

// A client that closes its side together with the request may still wait for the answer. A client
// that closes it later than this has given up.
static const uint64_t HALF_CLOSE_USEC = USEC_PER_SEC;

struct UploadSeed {
    Transfer transfer;
    UploadServer *server;
    TAILQ_ENTRY(UploadSeed) link; // while the thread has the upload
    PendingRequest request;       // used until the request has been read
    Stream stream;                // likewise
    Framer framer;
    bool quiet;

    // The thread's, from enter_call until end_call.
    LoopCall enter_call;             // control → thread
    LoopCall begin_call, start_call; // thread → control: it waits; it has a slot
    LoopCall end_call;               // thread → control, the last call
    int socket_fd;
    int file_fd;
    FileStamp stamp;
    _Atomic uint64_t moved;
    _Atomic bool cancelled;
    UploadPlace place;
    PollWatch watch;
    Send send;
    uint64_t since; // when it began to wait, CLOCK_MONOTONIC µs
    bool begun, has_slot;
    int result;
};

static UploadSeed *upload_seed_free(UploadSeed *upload) {
    stream_close(&upload->stream);
    close_fd(upload->socket_fd);
    close_fd(upload->file_fd);
    buffer_clear(&upload->send.lead);
    free(upload->transfer.path);
    free(upload->transfer.error_message);
    free(upload);
    return NULL;
}

static void upload_seed_drop(PendingRequest *request) {
    upload_seed_free(container_of(request, UploadSeed, request));
}

// --------------------------------------------------------- the control loop's side of the transfer

// The thread may be waiting for this socket, and the shutdown wakes it. The descriptor stays open
// until the thread hands it back, so the number cannot belong to another file by now.
static void upload_seed_cancel(Transfer *transfer) {
    UploadSeed *upload = container_of(transfer, UploadSeed, transfer);

    upload->cancelled = true;
    (void)shutdown(upload->socket_fd, SHUT_RDWR);
}

static void upload_seed_free_transfer(Transfer *transfer) {
    upload_seed_free(container_of(transfer, UploadSeed, transfer));
}

static uint64_t upload_seed_moved(const Transfer *transfer) {
    return container_of(transfer, UploadSeed, transfer)->moved;
}

static uint32_t upload_seed_queue_place(const Transfer *transfer) {
    return container_of(transfer, UploadSeed, transfer)->place.number;
}

static const TransferOps transfer_ops = {
    .cancel = upload_seed_cancel,
    .free = upload_seed_free_transfer,
    .moved = upload_seed_moved,
    .queue_place = upload_seed_queue_place,
};

static void upload_seed_run_begin(LoopCall *call) {
    UploadSeed *upload = container_of(call, UploadSeed, begin_call);

    // If there are too many transfers, the upload still runs, but the list does not show it.
    upload->transfer.queue_place = upload->place.number;
    (void)transfer_add(upload->server->transfers, &upload->transfer);
}

static void upload_seed_run_start(LoopCall *call) {
    UploadSeed *upload = container_of(call, UploadSeed, start_call);

    upload->transfer.queue_place = 0;
    if (upload->transfer.table)
        transfer_set_state(&upload->transfer, TRANSFER_ACTIVE);
    else
        upload->transfer.state = TRANSFER_ACTIVE;
}

static void upload_seed_run_end(LoopCall *call) {
    UploadSeed *upload = container_of(call, UploadSeed, end_call);

    TAILQ_REMOVE(&upload->server->uploads, upload, link);
    upload->socket_fd = close_fd(upload->socket_fd);
    upload->file_fd = close_fd(upload->file_fd);
    if (upload->transfer.table) {
        upload_finish_transfer(&upload->transfer, upload->result);
        return;
    }
    if (upload->result == -EBUSY)
        upload_refused(&upload->server->refusals, UPLOAD_BUSY, &upload->transfer.remote,
                       upload->transfer.text.name, strlen(upload->transfer.text.name),
                       "too many are waiting");
    upload_seed_free(upload);
}

// ----------------------------------------------------------------------------------- in the thread

static void upload_seed_reply(UploadSeed *upload, LoopCall *call,
                              void (*function)(LoopCall *call)) {
    call->run = function;
    loop_thread_reply(upload->server->hub.thread, call);
}

// Reads and drops the input. If we closed a socket with unread input, the kernel would reset the
// connection, and the reset could overtake the end of the file.
static void upload_seed_drain(UploadSeed *upload) {
    char ignored[512];

    // The loop is bounded, so that a client that sends forever cannot keep this thread busy.
    for (int i = 0; i < 128; i++)
        if (recv(upload->socket_fd, ignored, sizeof(ignored), MSG_DONTWAIT) <= 0)
            break;
    (void)shutdown(upload->socket_fd, SHUT_WR);
}

static void upload_seed_end(UploadSeed *upload, int result) {
    UploadHub *hub = &upload->server->hub;
    const bool has_slot = upload->has_slot;

    if (has_slot)
        upload_queue_release(&hub->queue, &upload->place.slot);
    if (result >= 0)
        upload_seed_drain(upload);
    poller_remove(hub->poller, &upload->watch);
    upload_queue_leave(&hub->queue, &upload->place);
    upload->result = result < 0 && upload->cancelled ? -ECANCELED : result;
    upload_seed_reply(upload, &upload->end_call, upload_seed_run_end); // the control loop has it
    if (has_slot)
        upload_queue_advance(&hub->queue, time_monotonic());
}

static void upload_seed_begin(UploadSeed *upload) {
    if (!upload->begun)
        upload_seed_reply(upload, &upload->begin_call, upload_seed_run_begin);
    upload->begun = true;
}

static void upload_seed_on_sent(Send *send, int result) {
    upload_seed_end(container_of(send, UploadSeed, send), result);
}

static void upload_seed_on_revoked(UploadSlot *slot) {
    UploadSeed *upload = container_of(slot, UploadSeed, place.slot);

    send_stop(&upload->send);
    upload_seed_end(upload, -EDQUOT);
}

static void upload_seed_on_slot(UploadPlace *place) {
    UploadSeed *upload = container_of(place, UploadSeed, place);
    int r;

    upload->has_slot = true;
    upload_seed_begin(upload);
    upload_seed_reply(upload, &upload->start_call, upload_seed_run_start);
    upload->send = (Send){
        .watch = &upload->watch,
        .remote = place->slot.address,
        .file_fd = upload->file_fd,
        .stamp = &upload->stamp,
        .end = upload->stamp.size,
        .moved = &upload->moved,
        .on_done = upload_seed_on_sent,
    };
    r = buffer_append(&upload->send.lead, WORD_FILE " ", strlen(WORD_FILE " "));
    if (r >= 0)
        r = send_start(&upload->server->hub.sender, &upload->send);
    if (r != 0)
        upload_seed_end(upload, MIN(r, 0));
}

static void upload_seed_on_event(PollWatch *watch, uint32_t events) {
    UploadSeed *upload = container_of(watch, UploadSeed, watch);

    if (upload->has_slot)
        send_ready(&upload->send, events);
    else if ((events & (EPOLLHUP | EPOLLERR)) || time_monotonic() - upload->since > HALF_CLOSE_USEC)
        upload_seed_end(upload, -ECONNRESET);
    else // this may be a half-close; keep-alive probes show whether the client still exists
        (void)poller_change(upload->server->hub.poller, watch, 0);
}

static void upload_seed_run_enter(LoopCall *call) {
    UploadSeed *upload = container_of(call, UploadSeed, enter_call);
    UploadHub *hub = &upload->server->hub;
    int r;

    upload->since = time_monotonic();
    r = poller_add(hub->poller, &upload->watch, upload->socket_fd, EPOLLRDHUP,
                   upload_seed_on_event);
    if (r >= 0)
        r = upload_queue_wait(&hub->queue, &upload->place, upload->since);
    if (r < 0)
        upload_seed_end(upload, r);
    else if (r > 0) // it waits; if r is 0, it may be over by now
        upload_seed_begin(upload);
}

// ------------------------------------------------------------------------------------- the request

// The request names a shared file. Hands the upload to the thread.
static int upload_seed_enter(UploadSeed *upload, const Share *share, int file_fd) {
    Transfer *transfer = &upload->transfer;
    UploadServer *server = upload->server;
    int r;

    upload->file_fd = file_fd;
    r = file_stamp_get(file_fd, &upload->stamp);
    if (r < 0)
        return r;
    if (upload->stamp.size != share_record(share).size)
        return -ESTALE;
    r = upload_describe(transfer, share, &upload->stream.remote);
    if (r < 0)
        return r;
    transfer->ops = &transfer_ops;
    transfer->state = TRANSFER_WAITING;
    pending_request_remove(server, &upload->request);
    stream_keep_alive(&upload->stream);
    upload->socket_fd = stream_take_fd(&upload->stream);
    upload->place.slot.address = transfer->remote.address;
    upload->place.slot.on_revoked = upload_seed_on_revoked;
    upload->place.on_slot = upload_seed_on_slot;
    upload->enter_call.run = upload_seed_run_enter;
    TAILQ_INSERT_TAIL(&server->uploads, upload, link);
    loop_thread_call(server->hub.thread, &upload->enter_call);
    return 0;
}

static void upload_seed_refused(UploadSeed *upload, UploadRefusal refusal, const char *what,
                                size_t len, const char *why) {
    upload_refused(&upload->server->refusals, refusal, &upload->stream.remote, what, len, why);
}

static int upload_seed_handle_request(UploadSeed *upload, const char *data, size_t len) {
    const Message message = message_parse(data, len);
    const Share *share;
    RecordText text;
    Record wanted;
    int fd, r;

    if (message.kind != MESSAGE_DOWNLOAD ||
        record_parse_file(message.argument, message.argument_len, &text, &wanted) < 0) {
        upload_seed_refused(upload, UPLOAD_NO_REQUEST, data, len, "not a DOWNLOAD");
        return -EPROTO;
    }
    share = share_table_find(shares_table(upload->server->shares), wanted.name, wanted.type,
                             wanted.size);
    if (!share) {
        upload_seed_refused(upload, UPLOAD_NOT_SHARED, data, len,
                            "not shared with that name, type and size");
        return -ENOENT;
    }
    fd = share_open(share);
    r = fd < 0 ? fd : upload_seed_enter(upload, share, fd);
    if (r < 0)
        upload_seed_refused(upload, UPLOAD_UNREADABLE, data, len,
                            r == -ESTALE ? "the file has changed since it was read in"
                                         : strerror(-r));
    return r;
}

static int upload_seed_on_data(Stream *stream, const char *data, size_t len, bool eof,
                               size_t *ret_consumed) {
    UploadSeed *upload = container_of(stream, UploadSeed, stream);
    size_t request_len;
    const char *request;

    switch (frame_next(&upload->framer, data, len, upload->quiet || eof, &request, &request_len,
                       ret_consumed)) {
    case FRAME_MESSAGE:
        return upload_seed_handle_request(upload, request, request_len);
    case FRAME_MORE_OR_QUIET:
        // Single bytes cannot hold the connection forever, because PendingRequest.deadline ends it.
        return stream_set_timeout(stream, SILENCE_DOWNLOAD_USEC);
    case FRAME_MORE:
        return eof || upload->quiet ? -EPROTO : 0;
    case FRAME_TOO_LONG:
        break;
    }
    return -EMSGSIZE;
}

// A silence ends a request that has no newline.
static int upload_seed_on_timeout(Stream *stream) {
    container_of(stream, UploadSeed, stream)->quiet = true;
    return stream_reconsider(stream);
}

static void upload_seed_on_closed(Stream *stream, int error _unused_) {
    UploadSeed *upload = container_of(stream, UploadSeed, stream);

    pending_request_remove(upload->server, &upload->request);
    upload_seed_free(upload);
}

static const StreamOps stream_ops = {
    .on_data = upload_seed_on_data,
    .on_timeout = upload_seed_on_timeout,
    .on_closed = upload_seed_on_closed,
};

void upload_seed_start(UploadServer *server, int fd, const Endpoint *remote, uint64_t deadline) {
    UploadSeed *upload = calloc(1, sizeof(*upload));

    if (!upload) {
        close_fd(fd);
        return;
    }
    upload->server = server;
    upload->socket_fd = upload->file_fd = upload->watch.fd = -EBADF;
    upload->framer.source = FRAME_FROM_PEER;
    upload->request.drop = upload_seed_drop;
    upload->request.deadline = deadline;
    if (stream_accept(&upload->stream, server->poller, &stream_ops, fd, remote, OUT_BYTES_MAX) <
        0) {
        upload_seed_free(upload);
        return;
    }
    pending_request_add(server, &upload->request);
}

void upload_seed_free_all(UploadServer *server) {
    UploadSeed *upload, *next;

    TAILQ_FOREACH_SAFE (upload, &server->uploads, link, next)
        // The table of transfers owns the uploads that it shows.
        if (!upload->transfer.table)
            upload_seed_free(upload);
}
