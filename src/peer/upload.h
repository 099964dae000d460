// SPDX-License-Identifier: MIT
#pragma once

// B's side of a DOWNLOAD. A connection is a stranger until its request names something that is shared;
// then it is a transfer, which waits for one of max-uploads slots, first come first served, and is
// handed to the mover.

#include <stdint.h>

#include "net/poller.h"
#include "peer/mover.h"
#include "peer/share.h"
#include "peer/transfer.h"
#include "util/log.h"

enum {
    REQUESTS_MAX = 4096, // connections that have not said what they want; the oldest make room
    UPLOADS_WAITING_MAX = 1024,                                // for a slot
    UPLOADS_WAITING_PER_ADDRESS_MAX = UPLOADS_WAITING_MAX / 2, // one host leaves room for others
};

TAILQ_HEAD(UploadList, Upload);

typedef struct UploadServer {
    Poller *poller;
    Mover *mover;
    TransferTable *transfers;
    ShareTable *const *shares; // the current table
    uint64_t max_uploads;
    struct UploadList requests; // the oldest first
    size_t request_count;
    struct UploadList waiting; // for a slot, the first one first
    size_t waiting_count;
    size_t active_count;
    LogLimit limit;
} UploadServer;

void upload_server_init(UploadServer *server, Poller *poller, Mover *mover,
                        TransferTable *transfers, ShareTable *const *shares, uint64_t max_uploads);
// Closes the requests. Uploads belong to the transfer table.
void upload_server_done(UploadServer *server);
void upload_server_set_max(UploadServer *server, uint64_t max_uploads);

// Takes over an accepted connection.
void upload_accept(UploadServer *server, int fd, const Endpoint *remote);
