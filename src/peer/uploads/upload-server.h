// SPDX-License-Identifier: MIT
#pragma once

// What this peer serves: accepts connections on the peer's port, and tells by the first bytes what
// they speak, DOWNLOAD (upload-seed.h) or HTTP (upload-http.h).

#include <stdint.h>

#include "peer/base/transfer.h"
#include "peer/shares/shares.h"
#include "peer/uploads/upload-http-file.h"
#include "peer/uploads/upload-hub.h"
#include "peer/uploads/upload-refusals.h"

enum {
    // Connections that have not said what they want; the oldest make room.
    PENDING_REQUESTS_MAX = 4096,
};
#define REQUEST_USEC (10 * USEC_PER_SEC) // to say so, from the first moment

typedef struct PendingRequest PendingRequest;
typedef struct UploadSeed UploadSeed;

// A connection that has not said what it wants. Embed it in what reads that.
struct PendingRequest {
    TAILQ_ENTRY(PendingRequest) link;
    void (*drop)(PendingRequest *request); // frees it; it is in the list no more
    uint64_t deadline;                     // CLOCK_MONOTONIC µs
    bool listed;
};

struct UploadServer {
    Poller *poller;
    LoopThread *thread;
    UploadHub hub;
    TransferTable *transfers;
    const Shares *shares;
    sd_event_source *timer;                                  // the oldest request's
    TAILQ_HEAD(PendingRequestList, PendingRequest) requests; // the oldest first
    size_t request_count;
    TAILQ_HEAD(, UploadSeed) uploads; // that are the thread's
    TAILQ_HEAD(, UploadHttpFile) files;
    LIST_HEAD(, PieceLayer) layers;
    size_t layer_bytes;
    UploadRefusals refusals; // of the control loop; the hub has those of HTTP
};

// All are borrowed until upload_server_done(). 0 or -errno.
int upload_server_init(UploadServer *server, Poller *poller, TransferTable *transfers,
                       const Shares *shares);
int upload_server_start(UploadServer *server); // its thread; 0 or -errno
// Ends the thread, before the transfers are freed.
void upload_server_done(UploadServer *server);
// For how long the thread has not answered, µs; 0: it has.
uint64_t upload_server_silence(UploadServer *server, uint64_t now);
// 0 or -ENOMEM.
int upload_server_configure(UploadServer *server, uint64_t max_uploads, uint64_t rate,
                            const PrefixList *exempt);
// Some shares are other ones now, or gone.
void upload_server_shares_changed(UploadServer *server);

// Takes over an accepted connection.
void upload_accept(UploadServer *server, int fd, const Endpoint *remote);

void pending_request_add(UploadServer *server, PendingRequest *request);
// It has said what it wants. Harmless for one that is not in the list.
void pending_request_remove(UploadServer *server, PendingRequest *request);

// What the transfer of an upload shows from the beginning. 0 or -ENOMEM.
int upload_describe(Transfer *transfer, const Share *share, const Endpoint *remote);
// Ends it: 0, or a negative errno as Send.on_done has it; -ECANCELED.
void upload_finish_transfer(Transfer *transfer, int result);
