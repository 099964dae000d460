// SPDX-License-Identifier: MIT
#pragma once

// A file that an HTTP connection serves; both threads use it. The control loop looks it up among
// the shares, opens it and shows it as a transfer. The uploads' thread sends ranges of it, as long
// as requests follow each other, and then hands it back. A connection that fetches a thousand
// ranges is one transfer. The size of the transfer is the file's, and it counts the bytes sent.

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
    // The most bytes of piece hashes in memory, for all connections that fetch them or their files.
    PIECE_LAYERS_BYTES_MAX = 64 * 1024 * 1024,
};

struct UploadHttpFile {
    // Constant.
    MerkleHash root;
    uint64_t size;
    time_t modified;
    FileStamp stamp;
    int fd;              // owned
    uint64_t generation; // of the shares when the file was looked up
    PieceLayer *layer;   // NULL: the client did not ask for the piece hashes

    // Shared.
    _Atomic uint64_t moved;
    LoopCall begin_call, end_call; // thread → control
    LoopCall cancel_call;          // control → thread, and back

    // The thread's.
    UploadHttp *session; // NULL: handed back
    bool begun;          // upload_http_file_begin() was called
    int result;          // of the last range

    // The control loop's.
    UploadServer *server;
    TAILQ_ENTRY(UploadHttpFile) link;
    bool listed;
    Transfer transfer;
    bool ended;      // the thread has handed it back
    bool cancelling; // cancel_call is on its way
};

// The thread asks, the control loop answers. Embed it in the structure that asks.
typedef struct FileLookup {
    // Set before upload_http_file_look_up().
    UploadServer *server;
    MerkleHash root;
    bool pieces; // the piece hashes are needed, too
    Endpoint remote;
    uint64_t generation;
    void (*on_result)(struct FileLookup *lookup); // runs in the thread
    LoopCall call;

    // The answer. 0; -ENOENT: the file is not shared; -ESTALE: it has changed; -ENODATA: its piece
    // hashes are unknown; -EBUSY: clients fetch too many piece hashes now; -errno.
    int result;
    UploadHttpFile *file;
} FileLookup;

// Call these in the thread.
void upload_http_file_look_up(FileLookup *lookup);
const char *upload_http_file_pieces(const UploadHttpFile *file);
void upload_http_file_begin(UploadHttpFile *file);           // the first bytes are about to be sent
void upload_http_file_end(UploadHttpFile *file, int result); // hands it back

// Call this in the control loop, after the thread has stopped.
void upload_http_file_free_all(UploadServer *server);
