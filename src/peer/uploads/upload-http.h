// SPDX-License-Identifier: MIT
#pragma once

// One HTTP connection, in the uploads' thread: requests come in and are answered in their order,
// one after the other.
//
//             ┌───────────────────────────────────────────────┐
//             ▼                                               │ all is sent
//   ──► READING ──► LOOKING_UP ──────────────────────────► SENDING
//          │  a request  │ the control loop has a file for it │
//          └─────────────┴─────► CLOSING ──► closed ◄─────────┘ an error, the time is up
//        the last answer is sent: what still comes in is dropped

#include "net/poller.h"
#include "peer/uploads/upload-hub.h"
#include "util/address.h"

typedef struct UploadServer UploadServer;

enum {
    // The one that has waited longest for a request makes room.
    HTTP_SESSIONS_MAX = 4096,
    // Answers may be read slowly, and only those with bytes of a file need a slot.
    HTTP_SESSIONS_PER_SITE_MAX = HTTP_SESSIONS_MAX / 4,
};

// From the control loop: takes over the socket, which has unread bytes of a request.
void upload_http_start(UploadServer *server, int fd, const Endpoint *remote);

// In the thread. `error`: why, as the transfer shows it if something was being sent.
void upload_http_close(UploadHttp *session, int error);
void upload_http_tick_all(UploadHub *hub, uint64_t now); // closes those whose time is up

// When the thread has stopped.
void upload_http_free_all(UploadHub *hub);
