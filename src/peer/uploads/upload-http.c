// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-http.h"

#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "peer/uploads/upload-http-answer.h"
#include "peer/uploads/upload-http-file.h"
#include "peer/uploads/upload-server.h"
#include "proto/http.h"
#include "util/log.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    // The most bytes of one read. Together with an incomplete head, this is all the memory that a
    // connection can make us hold.
    READ_BYTES = 16 * 1024,
    // How many requests of one session are answered in a row before others get their turn.
    REQUESTS_IN_A_ROW = 8,
    // How much input we read and drop at the end, so that a reset does not destroy the last answer.
    CLOSING_BYTES_MAX = 1024 * 1024,
    // When to try again after a lack of memory or descriptors.
    TROUBLE_RETRY_SECONDS = 5,
};

static const uint64_t HEAD_USEC = 10 * USEC_PER_SEC;
static const uint64_t IDLE_USEC = 60 * USEC_PER_SEC;
static const uint64_t CLOSING_USEC = 2 * USEC_PER_SEC;
// Ranges that follow each other within this time are one transfer.
static const uint64_t FILE_IDLE_USEC = 5 * USEC_PER_SEC;

typedef enum HttpState {
    HTTP_READING,
    HTTP_LOOKING_UP,
    HTTP_SENDING,
    HTTP_CLOSING,
} HttpState;

struct UploadHttp {
    UploadHub *hub;
    LoopCall call; // carries the session into the thread
    TAILQ_ENTRY(UploadHttp) link;
    PollWatch watch;
    int fd;
    Endpoint remote;
    HttpState state;
    uint64_t since;    // when the state last changed, CLOCK_MONOTONIC µs
    uint64_t deadline; // READING, CLOSING
    Buffer in;         // received bytes that are not answered yet
    bool eof;          // no more bytes will arrive
    size_t dropped;    // CLOSING
    FileLookup lookup;
    bool looked_up;       // `lookup` answers the first request in `in`
    bool gone;            // the client left during the lookup
    UploadHttpFile *file; // the file that was sent last
    HttpRequest request;  // the request being answered
    UploadSlot slot;
    bool has_slot;
    Send send;
};

enum {
    WAIT = 0,  // wait for an event
    GO_ON = 1, // answer the next request
};

static void upload_http_free(UploadHttp *session) {
    poller_remove(session->hub->poller, &session->watch);
    close_fd(session->fd);
    buffer_clear(&session->in);
    buffer_clear(&session->send.lead);
    free(session);
}

static void upload_http_release_slot(UploadHttp *session) {
    if (!session->has_slot)
        return;
    session->has_slot = false;
    upload_queue_release(&session->hub->queue, &session->slot);
    upload_queue_advance(&session->hub->queue, time_monotonic());
}

static void upload_http_drop_file(UploadHttp *session, int result) {
    if (session->file)
        upload_http_file_end(TAKE_PTR(session->file), result);
}

void upload_http_close(UploadHttp *session, int error) {
    UploadHub *hub = session->hub;
    bool sending = session->state == HTTP_SENDING;

    send_stop(&session->send);
    upload_http_drop_file(session, sending || error == -ECANCELED ? error : 0);
    TAILQ_REMOVE(&hub->sessions, session, link);
    hub->session_count--;
    upload_http_release_slot(session);
    upload_http_free(session);
}

static void upload_http_set_state(UploadHttp *session, HttpState state, uint64_t timeout) {
    session->state = state;
    session->since = time_monotonic();
    session->deadline = session->since + timeout;
}

static int upload_http_watch_for(UploadHttp *session, uint32_t events) {
    return poller_change(session->hub->poller, &session->watch, events);
}

// The last answer has been sent. Closes our side and drops further input.
static int upload_http_start_closing(UploadHttp *session) {
    upload_http_set_state(session, HTTP_CLOSING, CLOSING_USEC);
    if (session->eof)
        return -ECONNRESET;
    (void)shutdown(session->fd, SHUT_WR);
    buffer_clear(&session->in);
    return upload_http_watch_for(session, EPOLLIN);
}

// An answer is over. Returns GO_ON, WAIT, or the error that ends the connection.
static int upload_http_finish_answer(UploadHttp *session, int result) {
    upload_http_release_slot(session);
    if (result < 0)
        return result;
    if (!session->request.keep)
        return upload_http_start_closing(session);
    upload_http_set_state(session, HTTP_READING, session->in.size > 0 ? HEAD_USEC : IDLE_USEC);
    return GO_ON;
}

static void upload_http_run(UploadHttp *session);

static void upload_http_on_sent(Send *send, int result) {
    UploadHttp *session = container_of(send, UploadHttp, send);
    int r = upload_http_finish_answer(session, result);

    if (r < 0)
        upload_http_close(session, result);
    else
        upload_http_run(session);
}

static int upload_http_send_answer(UploadHttp *session, const HttpAnswer *answer) {
    const UploadHttpFile *file = session->file;
    Send *send = &session->send;
    int r;

    *send = (Send){
        .watch = &session->watch,
        .remote = session->remote.address,
        .file_fd = -EBADF,
        .on_done = upload_http_on_sent,
    };
    if (!session->request.head && answer->end > answer->offset) {
        send->offset = answer->offset;
        send->end = answer->end;
        if (session->request.pieces)
            send->memory = upload_http_file_pieces(file);
        else {
            send->file_fd = file->fd;
            send->stamp = &file->stamp;
            send->moved = &session->file->moved;
        }
    }
    r = http_answer_put(&send->lead, answer, &session->request, time(NULL));
    upload_http_set_state(session, HTTP_SENDING, 0);
    if (r >= 0)
        r = send_start(&session->hub->sender, send);
    return r == 0 ? WAIT : upload_http_finish_answer(session, MIN(r, 0));
}

static void upload_http_log_refusal(UploadHttp *session, const HttpHead *head,
                                    const HttpAnswer *answer) {
    size_t len = head ? (size_t)(head->target.data + head->target.len - head->method.data) : 0;
    UploadRefusal refusal = answer->status == 404   ? UPLOAD_NOT_SHARED
                            : answer->status == 503 ? UPLOAD_BUSY
                            : answer->status >= 500 ? UPLOAD_UNREADABLE
                                                    : UPLOAD_NO_REQUEST;

    upload_refused(&session->hub->refusals, refusal, &session->remote,
                   head ? head->method.data : "", len, answer->text);
}

// Refuses a request that cannot be parsed.
static int upload_http_refuse(UploadHttp *session, unsigned status, const char *text) {
    const HttpAnswer answer = http_answer_text(status, text);

    session->request = (HttpRequest){};
    buffer_clear(&session->in);
    upload_http_log_refusal(session, NULL, &answer);
    return upload_http_send_answer(session, &answer);
}

static bool upload_http_file_will_do(const UploadHttp *session, const HttpRequest *request) {
    const UploadHttpFile *file = session->file;

    if (!file || !merkle_hash_equal(&file->root, &request->root))
        return false;
    if (request->pieces && !request->head && !file->layer)
        return false;
    return session->looked_up || file->generation == session->hub->generation;
}

static void upload_http_on_looked_up(FileLookup *lookup) {
    UploadHttp *session = container_of(lookup, UploadHttp, lookup);

    session->file = TAKE_PTR(lookup->file);
    if (session->file)
        session->file->session = session;
    if (session->gone) {
        upload_http_close(session, 0);
        return;
    }
    session->looked_up = true;
    upload_http_set_state(session, HTTP_READING, IDLE_USEC);
    upload_http_run(session);
}

static int upload_http_look_up(UploadHttp *session, const HttpRequest *request) {
    upload_http_drop_file(session, 0);
    session->lookup.root = request->root;
    session->lookup.pieces = request->pieces && !request->head;
    session->lookup.remote = session->remote;
    session->lookup.generation = session->hub->generation;
    session->lookup.on_result = upload_http_on_looked_up;
    upload_http_set_state(session, HTTP_LOOKING_UP, 0);
    upload_http_file_look_up(&session->lookup);
    return upload_http_watch_for(session, 0);
}

static HttpAnswer upload_http_no_file(int error) {
    HttpAnswer answer;

    switch (error) {
    case -ENOENT:
        return http_answer_text(404, "No file with that root is shared here.");
    case -ENODATA:
        return http_answer_text(404, "The piece hashes of that file are not known here.");
    case -ESTALE:
    case -ELOOP: // a link replaced the file, or another file replaced its directory (-ENOTDIR)
    case -ENOTDIR:
        return http_answer_text(404, "The file has changed since it was hashed.");
    case -EBUSY:
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
        answer = http_answer_text(503, "Too busy at the moment.");
        answer.turn.retry_seconds = TROUBLE_RETRY_SECONDS;
        return answer;
    default:
        return http_answer_text(500, "The file cannot be read.");
    }
}

static void upload_http_on_revoked(UploadSlot *slot) {
    upload_http_close(container_of(slot, UploadHttp, slot), -EDQUOT);
}

// Requests a slot, which only answers with bytes of a file need. Returns `answer` or a refusal.
static HttpAnswer upload_http_take_slot(UploadHttp *session, HttpAnswer answer) {
    HttpAnswer busy = http_answer_text(503, "All slots are taken: come back after Retry-After.");
    int r;

    r = file_stamp_check(session->file->fd, &session->file->stamp);
    if (r < 0)
        return upload_http_no_file(r);
    session->slot =
        (UploadSlot){.address = session->remote.address, .on_revoked = upload_http_on_revoked};
    r = upload_queue_ask(&session->hub->queue, &session->slot, &session->request.root,
                         time_monotonic(), &busy.turn);
    if (r == -ENOMEM)
        return upload_http_no_file(r);
    session->has_slot = r > 0;
    if (!session->has_slot)
        return busy;
    upload_http_file_begin(session->file);
    return answer;
}

static int upload_http_answer_request(UploadHttp *session, const HttpHead *head) {
    const UploadHttpFile *file = session->file;
    HttpAnswer answer = http_answer_read_request(head, &session->request);
    const HttpRequest *request = &session->request;

    if (answer.status == 0 && upload_http_file_will_do(session, request)) {
        answer = http_answer_file(head, request, file->size, file->modified);
        if (!request->head && !request->pieces && answer.end > answer.offset)
            answer = upload_http_take_slot(session, answer);
    } else if (answer.status == 0 && session->looked_up)
        answer = upload_http_no_file(session->lookup.result);
    else if (answer.status == 0)
        return upload_http_look_up(session, request);
    if (answer.status >= 400 && answer.status != 416 && answer.status != 503)
        upload_http_log_refusal(session, head, &answer);
    session->looked_up = false;
    buffer_consume(&session->in, head->len);
    return upload_http_send_answer(session, &answer);
}

static int upload_http_next_request(UploadHttp *session) {
    HttpHead head;

    // A client may be slow, but not forever: the time for a head starts with its first byte.
    switch (http_request_parse(buffer_data(&session->in) ?: "", session->in.size, &head)) {
    case HTTP_OK:
        return upload_http_answer_request(session, &head);
    case HTTP_BAD:
        return upload_http_refuse(session, 400, "That is no HTTP/1.1 request.");
    case HTTP_TOO_LONG:
        return upload_http_refuse(session, 431, "The head of the request is too long.");
    case HTTP_MORE:
        break;
    }
    return session->eof ? -ECONNRESET : upload_http_watch_for(session, EPOLLIN);
}

static void upload_http_run(UploadHttp *session) {
    int r = GO_ON;

    for (unsigned i = 0; r == GO_ON && session->state == HTTP_READING; i++)
        // The socket is writable, so EPOLLOUT calls us again after other sessions had their turn.
        r = i < REQUESTS_IN_A_ROW ? upload_http_next_request(session)
                                  : upload_http_watch_for(session, EPOLLOUT);
    if (r < 0)
        upload_http_close(session, r);
}

static int upload_http_receive(UploadHttp *session) {
    char *scratch = poller_scratch(session->hub->poller);
    ssize_t n = recv(session->fd, scratch, READ_BYTES, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    session->eof = n == 0;
    if (session->in.size == 0)
        session->deadline = time_monotonic() + HEAD_USEC;
    return buffer_append(&session->in, scratch, n);
}

static int upload_http_drop_input(UploadHttp *session) {
    char *scratch = poller_scratch(session->hub->poller);
    ssize_t n = recv(session->fd, scratch, POLLER_SCRATCH_BYTES, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    session->dropped += n;
    return n == 0 || session->dropped > CLOSING_BYTES_MAX ? -ECONNRESET : 0;
}

static void upload_http_on_event(PollWatch *watch, uint32_t events) {
    UploadHttp *session = container_of(watch, UploadHttp, watch);
    int r = 0;

    switch (session->state) {
    case HTTP_READING:
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            r = upload_http_receive(session);
        if (r >= 0) {
            upload_http_run(session);
            return;
        }
        break;
    case HTTP_LOOKING_UP:
        // The client has left. The control loop's result is still on its way and ends the session.
        session->gone = true;
        poller_remove(session->hub->poller, &session->watch);
        return;
    case HTTP_SENDING:
        send_ready(&session->send, events);
        return;
    case HTTP_CLOSING:
        r = upload_http_drop_input(session);
        break;
    }
    if (r < 0)
        upload_http_close(session, r);
}

// Closes the session that has waited longest for a request, or for the rest of one. `site` (NULL:
// any) limits the choice to the sessions of that site.
static void upload_http_make_room(UploadHub *hub, const IpAddress *site) {
    UploadHttp *session, *oldest = NULL;

    TAILQ_FOREACH (session, &hub->sessions, link)
        if ((session->state == HTTP_READING || session->state == HTTP_CLOSING) &&
            (!site || address_same_site(&session->remote.address, site)) &&
            (!oldest || session->since < oldest->since))
            oldest = session;
    if (oldest)
        upload_http_close(oldest, -EBUSY);
}

static size_t upload_http_count_site(const UploadHub *hub, const IpAddress *site) {
    const UploadHttp *session;
    size_t n = 0;

    TAILQ_FOREACH (session, &hub->sessions, link)
        n += address_same_site(&session->remote.address, site);
    return n;
}

// Whether there is room for one more session. If necessary, closes another session first.
static bool upload_http_has_room(UploadHub *hub, const IpAddress *site) {
    if (hub->session_count >= HTTP_SESSIONS_PER_SITE_MAX &&
        upload_http_count_site(hub, site) >= HTTP_SESSIONS_PER_SITE_MAX) {
        upload_http_make_room(hub, site);
        if (upload_http_count_site(hub, site) >= HTTP_SESSIONS_PER_SITE_MAX)
            return false;
    }
    if (hub->session_count >= HTTP_SESSIONS_MAX)
        upload_http_make_room(hub, NULL);
    return hub->session_count < HTTP_SESSIONS_MAX;
}

static void upload_http_run_start(LoopCall *call) {
    UploadHttp *session = container_of(call, UploadHttp, call);
    UploadHub *hub = session->hub;

    if (!upload_http_has_room(hub, &session->remote.address) ||
        poller_add(hub->poller, &session->watch, session->fd, EPOLLIN, upload_http_on_event) < 0) {
        upload_http_free(session);
        return;
    }
    TAILQ_INSERT_TAIL(&hub->sessions, session, link);
    hub->session_count++;
    upload_http_set_state(session, HTTP_READING, HEAD_USEC);
}

void upload_http_start(UploadServer *server, int fd, const Endpoint *remote) {
    UploadHttp *session = calloc(1, sizeof(*session));

    if (!session) {
        close_fd(fd);
        return;
    }
    session->hub = &server->hub;
    session->watch.fd = -EBADF;
    session->fd = fd;
    session->remote = *remote;
    session->lookup.server = server;
    session->call.run = upload_http_run_start;
    loop_thread_call(server->hub.thread, &session->call);
}

static void upload_http_tick(UploadHttp *session, uint64_t now) {
    if (session->state == HTTP_READING && session->file && now - session->since >= FILE_IDLE_USEC)
        upload_http_drop_file(session, 0);
    if ((session->state != HTTP_READING && session->state != HTTP_CLOSING) ||
        now < session->deadline)
        return;
    if (session->state == HTTP_CLOSING || session->in.size == 0)
        upload_http_close(session, -ETIMEDOUT);
    else if (upload_http_refuse(session, 408, "The request took too long.") < 0)
        upload_http_close(session, -ETIMEDOUT);
}

void upload_http_tick_all(UploadHub *hub, uint64_t now) {
    UploadHttp *session, *next;

    TAILQ_FOREACH_SAFE (session, &hub->sessions, link, next)
        upload_http_tick(session, now);
}

void upload_http_free_all(UploadHub *hub) {
    UploadHttp *session, *next;

    TAILQ_FOREACH_SAFE (session, &hub->sessions, link, next) {
        TAILQ_REMOVE(&hub->sessions, session, link);
        upload_http_free(session);
    }
}
