// SPDX-License-Identifier: MIT
#pragma once

// One HTTP connection, in the uploads' thread. It answers the requests in their order, one at a
// time.
//
//             ┌───────────────────────────────────────────────┐
//             ▼                                               │ all is sent
//   ──► READING ──► LOOKING_UP ──────────────────────────► SENDING
//          │  a request  │ the control loop has a file for it │
//          └─────────────┴─────► CLOSING ──► closed ◄─────────┘ an error, the time is up
//        the last answer is sent: further input is dropped

#include "net/poller.h"
#include "peer/uploads/upload-hub.h"
#include "util/address.h"

typedef struct UploadServer UploadServer;

enum {
    // When all are taken, the connection that has waited longest for a request is closed.
    HTTP_SESSIONS_MAX = 4096,
    // One site cannot occupy all connections by reading answers slowly. Slots do not prevent that:
    // only answers with bytes of a file need one.
    HTTP_SESSIONS_PER_SITE_MAX = HTTP_SESSIONS_MAX / 4,
};

// Call this in the control loop. Takes ownership of the socket, which holds the unread request.
void upload_http_start(UploadServer *server, int fd, const Endpoint *remote);

// Call these in the thread. `error`: why the connection ends; a running transfer shows it.
void upload_http_close(UploadHttp *session, int error);
void upload_http_tick_all(UploadHub *hub, uint64_t now); // closes sessions past their deadline

// Call this after the thread has stopped.
void upload_http_free_all(UploadHub *hub);
