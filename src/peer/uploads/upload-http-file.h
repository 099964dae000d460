// SPDX-License-Identifier: MIT
#pragma once

// A file that an HTTP connection serves, as both threads see it. The control loop looks it up among
// the shares, opens it and shows it as a transfer; the uploads' thread sends ranges of it, for as
// long as they follow each other, and then hands it back. One connection that fetches a thousand
// ranges is one transfer: its size is the file's, and it counts what has been sent.

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "net/loop-thread.h"
#include "peer/base/transfer.h"
#include "peer/uploads/file-stamp.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

typedef struct UploadHttp UploadHttp;
typedef struct UploadServer UploadServer;
typedef struct PieceLayer PieceLayer;
typedef struct UploadHttpFile UploadHttpFile;

enum {
    // Piece hashes that are held for connections which fetch them, or the files themselves.
    PIECE_LAYERS_BYTES_MAX = 64 * 1024 * 1024,
};

struct UploadHttpFile {
    // Constant.
    MerkleHash root;
    uint64_t size;
    time_t modified;
    FileStamp stamp;
    int fd;              // owned
    uint64_t generation; // of the shares
    PieceLayer *layer;   // NULL: was not asked for

    // Shared.
    _Atomic uint64_t moved;
    LoopCall begin_call, end_call; // thread → control
    LoopCall cancel_call;          // control → thread, and back

    // The thread's.
    UploadHttp *session; // NULL: handed back
    bool begun;          // something of it has been sent
    int result;          // of the last range

    // The control loop's.
    UploadServer *server;
    TAILQ_ENTRY(UploadHttpFile) link;
    bool listed;
    Transfer transfer;
    bool ended;      // handed back by the thread
    bool cancelling; // cancel_call is on its way
};

// Asked by the thread, answered by the control loop. Embed it in what asks.
typedef struct FileLookup {
    // Set before upload_http_file_look_up().
    UploadServer *server;
    MerkleHash root;
    bool pieces; // with its piece hashes
    Endpoint remote;
    uint64_t generation;
    void (*on_result)(struct FileLookup *lookup); // in the thread
    LoopCall call;

    // The answer. 0; -ENOENT: not shared; -ESTALE: has changed; -ENODATA: no piece hashes; -EBUSY:
    // too many piece hashes are being fetched; -errno.
    int result;
    UploadHttpFile *file;
} FileLookup;

// In the thread.
void upload_http_file_look_up(FileLookup *lookup);
const char *upload_http_file_pieces(const UploadHttpFile *file);
void upload_http_file_begin(UploadHttpFile *file);           // something is about to be sent
void upload_http_file_end(UploadHttpFile *file, int result); // hands it back

// In the control loop, when nothing comes from the thread any more.
void upload_http_file_free_all(UploadServer *server);
