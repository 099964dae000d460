// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-http-file.h"

#include <string.h>

#include "peer/uploads/upload-http.h"
#include "peer/uploads/upload-server.h"
#include "util/merkle.h"

// The piece hashes of a file, shared by all connections that need them now.
struct PieceLayer {
    LIST_ENTRY(PieceLayer) link;
    MerkleHash root;
    MerkleHash *hashes;
    size_t bytes;
    unsigned refs;
};

static PieceLayer *piece_layer_unref(UploadServer *server, PieceLayer *layer) {
    if (layer && --layer->refs == 0) {
        LIST_REMOVE(layer, link);
        server->layer_bytes -= layer->bytes;
        free(layer->hashes);
        free(layer);
    }
    return NULL;
}

static int piece_layer_read(UploadServer *server, const MerkleHash *root, uint64_t size,
                            MerkleHash **ret) {
    int r;

    if (piece_count(size) > 1) {
        r = root_cache_pieces(shares_roots(server->shares), root, size, ret);
        return r == -ENOENT ? -ENODATA : r;
    }
    *ret = malloc(sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    **ret = *root; // a small file has one piece, whose hash is the root
    return 0;
}

static int piece_layer_get(UploadServer *server, const MerkleHash *root, uint64_t size,
                           PieceLayer **ret) {
    _cleanup_free_ PieceLayer *layer = NULL;
    PieceLayer *known;
    int r;

    LIST_FOREACH (known, &server->layers, link)
        if (merkle_hash_equal(&known->root, root)) {
            known->refs++;
            *ret = known;
            return 0;
        }
    layer = calloc(1, sizeof(*layer));
    if (!layer)
        return -ENOMEM;
    layer->root = *root;
    layer->refs = 1;
    layer->bytes = piece_count(size) * MERKLE_HASH_BYTES;
    if (server->layer_bytes + layer->bytes > PIECE_LAYERS_BYTES_MAX)
        return -EBUSY;
    r = piece_layer_read(server, root, size, &layer->hashes);
    if (r < 0)
        return r;
    server->layer_bytes += layer->bytes;
    LIST_INSERT_HEAD(&server->layers, layer, link);
    *ret = TAKE_PTR(layer);
    return 0;
}

static UploadHttpFile *upload_http_file_free(UploadHttpFile *file) {
    if (!file)
        return NULL;
    if (file->listed)
        TAILQ_REMOVE(&file->server->files, file, link);
    close_fd(file->fd);
    piece_layer_unref(file->server, file->layer);
    free(file->transfer.path);
    free(file->transfer.error_message);
    free(file);
    return NULL;
}
DEFINE_CLEANUP_FUNC(UploadHttpFile, upload_http_file_free)

static void upload_http_file_run_cancelled(LoopCall *call) {
    UploadHttpFile *file = container_of(call, UploadHttpFile, cancel_call);

    file->cancelling = false;
    if (file->ended && !file->transfer.table)
        upload_http_file_free(file);
}

static void upload_http_file_run_cancel(LoopCall *call) {
    UploadHttpFile *file = container_of(call, UploadHttpFile, cancel_call);
    LoopThread *thread = file->server->hub.thread;

    if (file->session)
        upload_http_close(file->session, -ECANCELED);
    file->cancel_call.run = upload_http_file_run_cancelled;
    loop_thread_reply(thread, &file->cancel_call);
}

static void upload_http_file_cancel(Transfer *transfer) {
    UploadHttpFile *file = container_of(transfer, UploadHttpFile, transfer);

    if (file->cancelling)
        return;
    file->cancelling = true;
    file->cancel_call.run = upload_http_file_run_cancel;
    loop_thread_call(file->server->hub.thread, &file->cancel_call);
}

// The transfer ended before, but a cancel_call may still be on its way. It then frees the file.
static void upload_http_file_free_transfer(Transfer *transfer) {
    UploadHttpFile *file = container_of(transfer, UploadHttpFile, transfer);

    if (!file->cancelling)
        upload_http_file_free(file);
}

static uint64_t upload_http_file_moved(const Transfer *transfer) {
    return container_of(transfer, UploadHttpFile, transfer)->moved;
}

static const TransferOps transfer_ops = {.cancel = upload_http_file_cancel,
                                         .free = upload_http_file_free_transfer,
                                         .moved = upload_http_file_moved};

static int upload_http_file_open(const FileLookup *lookup, const Share *share,
                                 UploadHttpFile **ret) {
    _cleanup_(upload_http_file_freep) UploadHttpFile *file = calloc(1, sizeof(*file));
    UploadServer *server = lookup->server;
    int r;

    if (!file)
        return -ENOMEM;
    file->server = server;
    file->fd = share_open(share);
    if (file->fd < 0)
        return file->fd;
    r = file_stamp_get(file->fd, &file->stamp);
    if (r < 0)
        return r;
    file->root = lookup->root;
    file->generation = lookup->generation;
    file->size = file->stamp.size;
    file->modified = file->stamp.modified.tv_sec;
    if (file->size != share_record(share).size)
        return -ESTALE;
    if (lookup->pieces)
        r = piece_layer_get(server, &file->root, file->size, &file->layer);
    if (r >= 0)
        r = upload_describe(&file->transfer, share, &lookup->remote);
    if (r < 0)
        return r;
    file->transfer.ops = &transfer_ops;
    file->transfer.state = TRANSFER_ACTIVE;
    TAILQ_INSERT_TAIL(&server->files, file, link);
    file->listed = true;
    *ret = TAKE_PTR(file);
    return 0;
}

static void upload_http_file_run_result(LoopCall *call) {
    FileLookup *lookup = container_of(call, FileLookup, call);

    lookup->on_result(lookup);
}

static void upload_http_file_run_look_up(LoopCall *call) {
    FileLookup *lookup = container_of(call, FileLookup, call);
    UploadServer *server = lookup->server;
    const Share *share = share_table_find_root(shares_table(server->shares), &lookup->root);

    lookup->file = NULL;
    lookup->result = share ? upload_http_file_open(lookup, share, &lookup->file) : -ENOENT;
    lookup->call.run = upload_http_file_run_result;
    loop_thread_call(server->hub.thread, &lookup->call);
}

void upload_http_file_look_up(FileLookup *lookup) {
    lookup->call.run = upload_http_file_run_look_up;
    loop_thread_reply(lookup->server->hub.thread, &lookup->call);
}

const char *upload_http_file_pieces(const UploadHttpFile *file) {
    return (const char *)file->layer->hashes;
}

static void upload_http_file_run_begin(LoopCall *call) {
    UploadHttpFile *file = container_of(call, UploadHttpFile, begin_call);

    // If there are too many transfers, the upload still runs, but the list does not show it.
    (void)transfer_add(file->server->transfers, &file->transfer);
}

void upload_http_file_begin(UploadHttpFile *file) {
    if (file->begun)
        return;
    file->begun = true;
    file->begin_call.run = upload_http_file_run_begin;
    loop_thread_reply(file->server->hub.thread, &file->begin_call);
}

static void upload_http_file_run_end(LoopCall *call) {
    UploadHttpFile *file = container_of(call, UploadHttpFile, end_call);

    file->ended = true;
    file->fd = close_fd(file->fd);
    file->layer = piece_layer_unref(file->server, file->layer);
    if (file->transfer.table)
        upload_finish_transfer(&file->transfer, file->result);
    else if (!file->cancelling)
        upload_http_file_free(file);
}

void upload_http_file_end(UploadHttpFile *file, int result) {
    file->session = NULL;
    file->result = result;
    file->end_call.run = upload_http_file_run_end;
    loop_thread_reply(file->server->hub.thread, &file->end_call);
}

void upload_http_file_free_all(UploadServer *server) {
    UploadHttpFile *file, *next;

    TAILQ_FOREACH_SAFE (file, &server->files, link, next) {
        file->cancelling = false;
        // The table of transfers owns the files that it shows.
        if (!file->transfer.table)
            upload_http_file_free(file);
    }
}
