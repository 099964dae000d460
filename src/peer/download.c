// SPDX-License-Identifier: MIT

#include "peer/download.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "bus/names.h"
#include "net/stream.h"
#include "peer/download-target.h"
#include "proto/message.h"
#include "proto/name.h"
#include "util/fs-util.h"
#include "util/log.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    DOWNLOADS_MAX = 1024, // at once
    OUT_BYTES_MAX = 8192, // one request
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
// Until FILE. A peer whose slots are taken lets us wait: go to the next one soon, but be patient with
// the last.
static const uint64_t ANSWER_USEC = 30 * USEC_PER_SEC;
static const uint64_t LAST_ANSWER_USEC = 600 * USEC_PER_SEC;
// In RAW, where LINE has just been refused: a program that answers at all answers soon.
static const uint64_t RAW_ANSWER_USEC = 5 * USEC_PER_SEC;
// FILE: has come, and nothing behind it: a very short file, or white space that is on its way.
static const uint64_t HEADER_QUIET_USEC = USEC_PER_SEC;

typedef struct Download {
    Transfer transfer;
    Peer *peer;
    FtSearch *search;
    char *file_name; // as asked for

    // The filter; `has_` what of it is set.
    bool has_type, has_size, has_address, has_port;
    char type[TYPE_BYTES_MAX + 1];
    uint64_t size;
    IpAddress address;
    uint16_t port;

    Endpoint *sources; // who has the file; owned
    size_t source_count, source_next;
    Record record; // the file, with strings in transfer.text
    Stream stream;
    bool raw;     // this source is being asked in the seed authors' way
    bool refused; // because it has refused the other one
    bool quiet;
    char *last_error; // of the last source that failed; owned
    DownloadTarget target;
} Download;

static void try_next(Download *download);

static Download *download_free(Download *download) {
    if (!download)
        return NULL;
    ft_search_free(download->search);
    stream_close(&download->stream);
    download_target_done(&download->target);
    free(download->sources);
    free(download->file_name);
    free(download->last_error);
    free(download->transfer.path);
    free(download->transfer.error_message);
    free(download);
    return NULL;
}
DEFINE_CLEANUP_FUNC(Download, download_free)

static void finish(Download *download, TransferState state, const char *error,
                   const char *message) {
    stream_close(&download->stream);
    download_target_done(&download->target);
    if (state == TRANSFER_FAILED)
        log_warning("Download of %s failed: %s", download->file_name, message);
    else if (state == TRANSFER_DONE)
        log_info("Downloaded %s", download->file_name);
    transfer_finish(&download->transfer, state, error, message ? "%s" : NULL, message);
}

// The destination is at fault: no other source would help.
static void finish_local(Download *download, int error) {
    const char *name = error == -ENOSPC || error == -EDQUOT ? BUS_ERROR_NO_SPACE
                       : error == -EEXIST                   ? BUS_ERROR_EXISTS
                                                            : BUS_ERROR_DESTINATION;
    _cleanup_free_ char *message = NULL;

    if (asprintf(&message, "cannot write %s: %s", download->transfer.path ?: "the destination",
                 error == -EWOULDBLOCK ? "another download is writing it" : strerror(-error)) < 0)
        message = NULL;
    finish(download, TRANSFER_FAILED, name, message ?: strerror(-error));
}

// Notes why this source did not deliver, for the log and for the user if none does.
static void note_failure(Download *download, const char *why) {
    char remote[ENDPOINT_TEXT_MAX], *message;

    endpoint_format(&download->transfer.remote, remote);
    if (asprintf(&message, "%s %s", remote, why) < 0)
        return;
    log_info("Download of %s: %s", download->file_name, message);
    free(download->last_error);
    download->last_error = message;
}

static const char *source_error(int error) {
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

static void on_moved(Move *move) {
    Download *download = move->userdata;
    Transfer *transfer = &download->transfer;
    int r = move->result;
    bool file_failed = move->file_failed;

    // A cancel may have come when the move was over, and on its way back.
    if (r < 0 && move->cancelled)
        r = -ECANCELED;
    transfer->moved = move->moved;
    transfer->move = move_free(move);
    if (r == -ECANCELED) {
        finish(download, TRANSFER_CANCELLED, NULL, NULL);
    } else if (r < 0 && file_failed) {
        finish_local(download, r);
    } else if (r < 0) {
        note_failure(download, source_error(r == -EPROTO ? -ENODATA : r));
        transfer->moved = 0;
        download->raw = download->refused = false;
        try_next(download);
    } else {
        r = download_target_commit(&download->target);
        if (r < 0)
            finish_local(download, r);
        else
            finish(download, TRANSFER_DONE, NULL, NULL);
    }
}

static int start_move(Download *download, const char *data, size_t len, const FileHeader *header) {
    _cleanup_(move_freep) Move *move = NULL;
    int r;

    move = move_new(MOVE_RECEIVE);
    if (!move)
        return -ENOMEM;
    r = buffer_append(&move->lead, data, len);
    if (r < 0)
        return r;
    move->file_fd = fcntl(download->target.fd, F_DUPFD_CLOEXEC, 0);
    if (move->file_fd < 0)
        return -errno;
    if (ftruncate(move->file_fd, 0) < 0) // of what an earlier source has sent
        return -errno;
    move->socket_fd = stream_take_fd(&download->stream);
    move->header = *header;
    move->size = download->record.size;
    move->on_done = on_moved;
    move->userdata = download;
    download->transfer.move = move;
    mover_submit(download->peer->receivers, TAKE_PTR(move));
    transfer_set_state(&download->transfer, TRANSFER_ACTIVE);
    return 0;
}

static int on_connected(Stream *stream) {
    Download *download = container_of(stream, Download, stream);
    bool last = download->source_next == download->source_count;
    int r;

    r = message_put_file(stream_out(stream), download->raw ? FRAMING_RAW : FRAMING_LINE,
                         WORD_DOWNLOAD, &download->record,
                         download->raw ? &record_syntax_authors : &record_syntax_own);
    if (r < 0)
        return r;
    transfer_set_state(&download->transfer, TRANSFER_WAITING); // for a slot there, perhaps
    return stream_set_timeout(stream, download->refused ? RAW_ANSWER_USEC
                                      : last            ? LAST_ANSWER_USEC
                                                        : ANSWER_USEC);
}

static int on_data(Stream *stream, const char *data, size_t len, bool eof, size_t *ret_consumed) {
    Download *download = container_of(stream, Download, stream);
    FileHeader header;

    *ret_consumed = 0;
    switch (file_header_parse(data, len, download->quiet || eof, &header)) {
    case FILE_HEADER_OK:
        *ret_consumed = len;
        return start_move(download, data, len, &header);
    case FILE_HEADER_MORE:
        return len >= strlen(WORD_FILE) ? stream_set_timeout(stream, HEADER_QUIET_USEC) : 0;
    case FILE_HEADER_REFUSED:
        break;
    }
    return -EPROTO;
}

static int on_timeout(Stream *stream) {
    Download *download = container_of(stream, Download, stream);

    if (stream->in.size < strlen(WORD_FILE))
        return -ETIMEDOUT;
    download->quiet = true;
    return stream_reconsider(stream);
}

static void on_closed(Stream *stream, int error) {
    Download *download = container_of(stream, Download, stream);
    bool refused = error == -EPROTO || error == 0 || error == -ECONNRESET;

    note_failure(download, source_error(error == 0 ? -EPROTO : error));
    // It may be a program that knows only its own way of writing a request.
    download->raw = download->refused = refused && !download->raw;
    if (download->refused)
        download->source_next--;
    try_next(download);
}

static const StreamOps stream_ops = {
    .on_data = on_data,
    .on_timeout = on_timeout,
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static void fail_without_source(Download *download) {
    char message[512];

    snprintf(message, sizeof(message), "none of %zu sources delivered it; the last one: %s",
             download->source_count, download->last_error ?: "unreachable");
    finish(download, TRANSFER_FAILED, BUS_ERROR_NO_SOURCE,
           download->source_count == 1 && download->last_error ? download->last_error : message);
}

static void try_next(Download *download) {
    Peer *peer = download->peer;
    int r;

    if (ft_client_framing(peer->ft) == FRAMING_RAW)
        download->raw = true;
    download->quiet = false;
    while (download->source_next < download->source_count) {
        const Endpoint *source = &download->sources[download->source_next++];

        download->transfer.remote = *source;
        r = stream_connect(&download->stream, peer->poller, &stream_ops, source, OUT_BYTES_MAX);
        if (r >= 0)
            r = stream_set_timeout(&download->stream, CONNECT_USEC);
        if (r >= 0) {
            transfer_set_state(&download->transfer, TRANSFER_CONNECTING);
            return;
        }
        stream_close(&download->stream);
        note_failure(download, strerror(-r));
    }
    fail_without_source(download);
}

static bool has_filter(const Download *download) {
    return download->has_type || download->has_size || download->has_address || download->has_port;
}

static bool matches(const Download *download, const Record *record) {
    return (!download->has_type || strcasecmp(download->type, record->type) == 0) &&
           (!download->has_size || download->size == record->size) &&
           (!download->has_address ||
            address_equal(&download->address, &record->endpoint.address)) &&
           (!download->has_port || download->port == record->endpoint.port);
}

// The file is the first one that will do; all who have the same name, type and size have that file.
static int choose(Download *download, const Record records[], size_t n) {
    RecordText *text = &download->transfer.text;
    const Endpoint *self = ft_client_address(download->peer->ft);

    download->sources = calloc(MAX(n, (size_t) 1), sizeof(*download->sources));
    if (!download->sources)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!matches(download, &records[i]) || (self && endpoint_equal(self, &records[i].endpoint)))
            continue;
        if (download->source_count == 0) {
            snprintf(text->name, sizeof(text->name), "%s", records[i].name);
            snprintf(text->type, sizeof(text->type), "%s", records[i].type);
            download->record = records[i];
            download->record.name = text->name;
            download->record.type = text->type;
        }
        if (record_same_file(&download->record, &records[i]))
            download->sources[download->source_count++] = records[i].endpoint;
    }
    download->transfer.size = download->source_count > 0 ? download->record.size : 0;
    return 0;
}

// download-dir/NAME, unless the caller has brought a file.
static int open_target(Download *download) {
    const char *directory = download->peer->config.download_dir;
    char name[FILE_NAME_BYTES_MAX + 1];

    if (download->target.fd >= 0)
        return 0;
    name_join(download->record.name, download->record.type, name);
    if (asprintf(&download->transfer.path, "%s/%s", directory, name) < 0) {
        download->transfer.path = NULL;
        return -ENOMEM;
    }
    return download_target_open(&download->target, directory, name);
}

static void begin(Download *download) {
    uint64_t available;
    int r;

    r = open_target(download);
    if (r >= 0)
        r = check_free_space(download->target.fd, download->record.size, &available);
    if (r < 0)
        finish_local(download, r);
    else
        try_next(download);
}

static void on_found(FtSearch *search _unused_, int r, const Record records[], size_t n,
                     void *userdata) {
    Download *download = userdata;
    char message[NAME_BYTES_MAX + 128];

    download->search = NULL;
    if (r >= 0)
        r = choose(download, records, n);
    if (r == -ENOTCONN) {
        finish(download, TRANSFER_FAILED, BUS_ERROR_NOT_JOINED, "the session with FT has ended");
    } else if (r == -ETIMEDOUT) {
        finish(download, TRANSFER_FAILED, BUS_ERROR_NO_ANSWER, "FT does not answer");
    } else if (r < 0) {
        finish(download, TRANSFER_FAILED, BUS_ERROR_NO_ANSWER, strerror(-r));
    } else if (download->source_count == 0) {
        snprintf(message, sizeof(message),
                 n == 0 ? "nobody shares \"%s\""
                 : has_filter(download)
                     ? "nobody shares \"%s\" with that type, size, address or port"
                     : "only this peer shares \"%s\"",
                 download->file_name);
        finish(download, TRANSFER_FAILED, BUS_ERROR_NOT_FOUND, message);
    } else
        begin(download);
}

static void cancel(Transfer *transfer) {
    Download *download = container_of(transfer, Download, transfer);

    if (transfer->move) {
        move_cancel(transfer->move);
        return;
    }
    download->search = ft_search_free(download->search);
    finish(download, TRANSFER_CANCELLED, NULL, NULL);
}

static void free_transfer(Transfer *transfer) {
    download_free(container_of(transfer, Download, transfer));
}

static const TransferOps transfer_ops = {.cancel = cancel, .free = free_transfer};

static void set_filter(Download *download, const DownloadFilter *filter) {
    download->has_type = filter->type;
    if (filter->type)
        snprintf(download->type, sizeof(download->type), "%s", filter->type);
    download->has_size = filter->size;
    download->size = filter->size ? *filter->size : 0;
    download->has_address = filter->address;
    download->address = filter->address ? *filter->address : (IpAddress){};
    download->has_port = filter->port;
    download->port = filter->port ? *filter->port : 0;
}

bool download_destination_ok(int fd) {
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    // O_APPEND would ignore the offsets that we write at.
    return (flags & O_ACCMODE) == O_RDWR && !(flags & (O_APPEND | O_PATH));
}

static size_t count_downloads(const TransferTable *table) {
    const Transfer *transfer;
    size_t n = 0;

    TAILQ_FOREACH (transfer, &table->list, link)
        n += transfer->direction == TRANSFER_DOWNLOAD && !transfer_state_is_final(transfer->state);
    return n;
}

int download_start(Peer *peer, const char *file_name, const DownloadFilter *filter, int destination,
                   Transfer **ret) {
    _cleanup_(download_freep) Download *download = NULL;
    NameParts parts = name_split(file_name, strlen(file_name));
    Transfer *transfer;
    int r;

    if (count_downloads(&peer->transfers) >= DOWNLOADS_MAX)
        return -EMFILE;
    download = calloc(1, sizeof(*download));
    if (!download)
        return -ENOMEM;
    download->peer = peer;
    download->stream = (Stream) STREAM_INIT;
    download->target = (DownloadTarget) DOWNLOAD_TARGET_INIT;
    set_filter(download, filter);
    download->file_name = strdup(file_name);
    if (!download->file_name)
        return -ENOMEM;

    transfer = &download->transfer;
    transfer->ops = &transfer_ops;
    transfer->direction = TRANSFER_DOWNLOAD;
    transfer->state = TRANSFER_SEARCHING;
    snprintf(transfer->text.name, sizeof(transfer->text.name), "%.*s", (int) parts.name_len,
             file_name);
    snprintf(transfer->text.type, sizeof(transfer->text.type), "%.*s", (int) parts.type_len,
             parts.type);
    r = ft_client_search(peer->ft, file_name, on_found, download, &download->search);
    if (r < 0)
        return r;
    r = transfer_add(&peer->transfers, transfer);
    if (r < 0)
        return r;
    download->target.fd = destination;
    *ret = transfer;
    TAKE_PTR(download);
    return 0;
}
