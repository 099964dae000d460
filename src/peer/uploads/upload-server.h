// SPDX-License-Identifier: MIT
#pragma once

// The server of this peer. It accepts connections on the peer's port. The first bytes tell whether
// a connection speaks DOWNLOAD (upload-seed.h) or HTTP (upload-http.h).

#include <stdint.h>

#include "peer/base/transfer.h"
#include "peer/shares/shares.h"
#include "peer/uploads/upload-http-file.h"
#include "peer/uploads/upload-hub.h"
#include "peer/uploads/upload-refusals.h"

enum {
    // Connections whose request has not arrived. When there are too many, the oldest is closed.
    PENDING_REQUESTS_MAX = 4096,
};
#define REQUEST_USEC (10 * USEC_PER_SEC) // time for the request, from the accept on

typedef struct PendingRequest PendingRequest;
typedef struct UploadSeed UploadSeed;

// A connection whose request has not arrived. Embed it in the structure that reads the request.
struct PendingRequest {
    TAILQ_ENTRY(PendingRequest) link;
    void (*drop)(PendingRequest *request); // frees it; called after it has left the list
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
    TAILQ_HEAD(, UploadSeed) uploads; // the DOWNLOADs that the thread has
    TAILQ_HEAD(, UploadHttpFile) files;
    LIST_HEAD(, PieceLayer) layers;
    size_t layer_bytes;
    UploadRefusals refusals; // the control loop's; the hub counts those of HTTP
};

// All are borrowed until upload_server_done(). 0 or -errno.
int upload_server_init(UploadServer *server, Poller *poller, TransferTable *transfers,
                       const Shares *shares);
int upload_server_start(UploadServer *server); // starts its thread; 0 or -errno
// Stops the thread. Call this before the transfers are freed.
void upload_server_done(UploadServer *server);
// How long the thread has not answered, in µs; 0: it answers.
uint64_t upload_server_silence(UploadServer *server, uint64_t now);
// 0 or -ENOMEM.
int upload_server_configure(UploadServer *server, uint64_t max_uploads, uint64_t rate,
                            const PrefixList *exempt);
// Call this after shares have changed or gone.
void upload_server_shares_changed(UploadServer *server);

// Takes ownership of an accepted connection.
void upload_accept(UploadServer *server, int fd, const Endpoint *remote);

void pending_request_add(UploadServer *server, PendingRequest *request);
// The request has arrived. Harmless if it is not in the list.
void pending_request_remove(UploadServer *server, PendingRequest *request);

// Sets what the transfer of an upload shows from the beginning. 0 or -ENOMEM.
int upload_describe(Transfer *transfer, const Share *share, const Endpoint *remote);
// Ends the transfer. `result`: 0, a negative errno as for Send.on_done, or -ECANCELED.
void upload_finish_transfer(Transfer *transfer, int result);
