// SPDX-License-Identifier: MIT

#include "peer/downloads/download-seed.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "net/stream.h"
#include "proto/message.h"
#include "util/log.h"

enum {
    OUT_BYTES_MAX = 8192, // one request
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
// How long we wait for FILE. A peer without a free slot makes us wait: move on to the next source
// soon, but be patient with the last one.
static const uint64_t ANSWER_USEC = 30 * USEC_PER_SEC;
static const uint64_t LAST_ANSWER_USEC = 600 * USEC_PER_SEC;
// How long we wait for FILE with RAW, after the source refused LINE: it answers soon or never.
static const uint64_t RAW_ANSWER_USEC = 5 * USEC_PER_SEC;
// How long we wait after a bare "FILE:". The file may be very short, or white space may follow.
static const uint64_t HEADER_QUIET_USEC = USEC_PER_SEC;

struct DownloadSeed {
    DownloadSeedJob job; // its pointers point to the copies below
    char *log_name;
    RecordText text;
    Record record;
    Endpoint *sources;
    size_t source_next;
    Endpoint source;
    DownloadSeedState state;
    Stream stream;
    Move *move;   // set while bytes move
    bool raw;     // we ask this source with RAW, as the programs of the seed's authors do
    bool refused; // we ask again because the source refused the other form
    bool quiet;
    char *last_error; // of the last source that failed; owned
};

static void download_seed_try_next(DownloadSeed *fetch);

DownloadSeed *download_seed_free(DownloadSeed *fetch) {
    if (!fetch)
        return NULL;
    stream_close(&fetch->stream);
    free(fetch->sources);
    free(fetch->log_name);
    free(fetch->last_error);
    free(fetch);
    return NULL;
}

static void download_seed_finish(DownloadSeed *fetch, int result, const char *why) {
    stream_close(&fetch->stream);
    fetch->job.on_done(fetch, result, why, fetch->job.userdata);
    download_seed_free(fetch);
}

static void download_seed_set_state(DownloadSeed *fetch, DownloadSeedState state) {
    fetch->state = state;
    fetch->job.on_changed(fetch, fetch->job.userdata);
}

// Notes why this source did not deliver: for the log, and for the user if no source delivers.
static void download_seed_note_failure(DownloadSeed *fetch, const char *why) {
    char remote[ENDPOINT_TEXT_MAX], *message;

    endpoint_format(&fetch->source, remote);
    if (asprintf(&message, "%s %s", remote, why) < 0)
        return;
    log_limited(
        fetch->job.log_limit, LOG_INFO,
        &(LogFields){.peer = remote, .file = fetch->log_name, .transfer = fetch->job.log_transfer},
        "Download of %s: %s", fetch->log_name, message);
    free(fetch->last_error);
    fetch->last_error = message;
}

static const char *download_seed_source_error(int error) {
    switch (error) {
    case -EPROTO:
    case -ESHUTDOWN:
        return "has refused";
    case -EMSGSIZE:
        return "sent more than it had announced";
    case -ENODATA:
        return "sent less than it had announced";
    case -ETIMEDOUT:
        return "does not answer";
    default:
        return strerror(-error);
    }
}

static void download_seed_on_moved(Move *move) {
    DownloadSeed *fetch = move->userdata;
    int r = move->result;
    bool file_failed = move->file_failed;

    // The user may have cancelled after the move ended, but before it came back to this loop.
    if (r < 0 && move->cancelled)
        r = -ECANCELED;
    fetch->move = move_free(move);
    if (r >= 0 || r == -ECANCELED || file_failed) {
        download_seed_finish(fetch, MIN(r, 0), NULL);
        return;
    }
    download_seed_note_failure(fetch, download_seed_source_error(r == -EPROTO ? -ENODATA : r));
    fetch->raw = fetch->refused = false;
    download_seed_try_next(fetch);
}

static int download_seed_start_move(DownloadSeed *fetch, const char *data, size_t len,
                                    const FileHeader *header) {
    _cleanup_(move_freep) Move *move = NULL;
    int r;

    move = move_new();
    if (!move)
        return -ENOMEM;
    r = buffer_append(&move->lead, data, len);
    if (r < 0)
        return r;
    move->file_fd = fcntl(fetch->job.fd, F_DUPFD_CLOEXEC, 0);
    if (move->file_fd < 0)
        return -errno;
    if (ftruncate(move->file_fd, 0) < 0) // removes old bytes and those of an earlier source
        return -errno;
    move->socket_fd = stream_take_fd(&fetch->stream);
    move->header = *header;
    move->exempt = prefix_list_contains(fetch->job.exempt, &fetch->source.address);
    move->size = fetch->record.size;
    move->on_done = download_seed_on_moved;
    move->userdata = fetch;
    fetch->move = move;
    mover_submit(fetch->job.mover, TAKE_PTR(move));
    download_seed_set_state(fetch, DOWNLOAD_SEED_ACTIVE);
    return 0;
}

static int download_seed_on_connected(Stream *stream) {
    DownloadSeed *fetch = container_of(stream, DownloadSeed, stream);
    bool last = fetch->source_next == fetch->job.source_count;
    int r;

    r = message_put_file(stream_out(stream), fetch->raw ? FRAMING_RAW : FRAMING_LINE, WORD_DOWNLOAD,
                         &fetch->record, fetch->raw ? &record_syntax_authors : &record_syntax_own);
    if (r < 0)
        return r;
    download_seed_set_state(fetch, DOWNLOAD_SEED_WAITING);
    return stream_set_timeout(stream, fetch->refused ? RAW_ANSWER_USEC
                                      : last         ? LAST_ANSWER_USEC
                                                     : ANSWER_USEC);
}

static int download_seed_on_data(Stream *stream, const char *data, size_t len, bool eof,
                                 size_t *ret_consumed) {
    DownloadSeed *fetch = container_of(stream, DownloadSeed, stream);
    FileHeader header;

    *ret_consumed = 0;
    switch (file_header_parse(data, len, fetch->quiet || eof, &header)) {
    case FILE_HEADER_OK:
        *ret_consumed = len;
        return download_seed_start_move(fetch, data, len, &header);
    case FILE_HEADER_MORE:
        return len >= strlen(WORD_FILE) ? stream_set_timeout(stream, HEADER_QUIET_USEC) : 0;
    case FILE_HEADER_REFUSED:
        break;
    }
    return -EPROTO;
}

static int download_seed_on_timeout(Stream *stream) {
    DownloadSeed *fetch = container_of(stream, DownloadSeed, stream);

    if (stream_unconsumed(stream)->size < strlen(WORD_FILE))
        return -ETIMEDOUT;
    fetch->quiet = true;
    return stream_reconsider(stream);
}

static void download_seed_on_closed(Stream *stream, int error) {
    DownloadSeed *fetch = container_of(stream, DownloadSeed, stream);
    bool refused = error == -EPROTO || error == 0 || error == -ECONNRESET;

    download_seed_note_failure(fetch, download_seed_source_error(error == 0 ? -EPROTO : error));
    // The source may be a program that knows only one form of the request.
    fetch->raw = fetch->refused = refused && !fetch->raw;
    if (fetch->refused)
        fetch->source_next--;
    download_seed_try_next(fetch);
}

static const StreamOps stream_ops = {
    .on_data = download_seed_on_data,
    .on_timeout = download_seed_on_timeout,
    .on_connected = download_seed_on_connected,
    .on_closed = download_seed_on_closed,
};

static void download_seed_fail_without_source(DownloadSeed *fetch) {
    char message[512];

    snprintf(message, sizeof(message), "none of %zu sources delivered it; the last one: %s",
             fetch->job.source_count, fetch->last_error ?: "unreachable");
    download_seed_finish(fetch, -ENODATA,
                         fetch->job.source_count == 1 && fetch->last_error ? fetch->last_error
                                                                           : message);
}

static void download_seed_try_next(DownloadSeed *fetch) {
    int r;

    fetch->raw |= fetch->job.raw;
    fetch->quiet = false;
    while (fetch->source_next < fetch->job.source_count) {
        fetch->source = fetch->sources[fetch->source_next++];
        r = stream_connect(&fetch->stream, fetch->job.poller, &stream_ops, &fetch->source,
                           OUT_BYTES_MAX);
        if (r >= 0)
            r = stream_set_timeout(&fetch->stream, CONNECT_USEC);
        if (r >= 0) {
            download_seed_set_state(fetch, DOWNLOAD_SEED_CONNECTING);
            return;
        }
        stream_close(&fetch->stream);
        download_seed_note_failure(fetch, strerror(-r));
    }
    download_seed_fail_without_source(fetch);
}

int download_seed_start(const DownloadSeedJob *job, DownloadSeed **ret) {
    DownloadSeed *fetch;

    fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return -ENOMEM;
    fetch->stream = STREAM_INIT;
    fetch->job = *job;
    fetch->log_name = strdup(job->log_name);
    fetch->sources = calloc(MAX(job->source_count, (size_t)1), sizeof(*fetch->sources));
    if (!fetch->log_name || !fetch->sources) {
        download_seed_free(fetch);
        return -ENOMEM;
    }
    memcpy(fetch->sources, job->sources, job->source_count * sizeof(*fetch->sources));
    fetch->record = *job->record;
    snprintf(fetch->text.name, sizeof(fetch->text.name), "%s", job->record->name);
    snprintf(fetch->text.type, sizeof(fetch->text.type), "%s", job->record->type);
    fetch->record.name = fetch->text.name;
    fetch->record.type = fetch->text.type;
    *ret = fetch;
    download_seed_try_next(fetch);
    return 0;
}

void download_seed_cancel(DownloadSeed *fetch) {
    if (fetch->move)
        move_cancel(fetch->move);
    else
        download_seed_finish(fetch, -ECANCELED, NULL);
}

DownloadSeedState download_seed_state(const DownloadSeed *fetch) {
    return fetch->state;
}

const Endpoint *download_seed_source(const DownloadSeed *fetch) {
    return &fetch->source;
}

uint64_t download_seed_moved(const DownloadSeed *fetch) {
    return fetch->move ? fetch->move->moved : 0;
}
