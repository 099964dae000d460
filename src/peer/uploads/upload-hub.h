// SPDX-License-Identifier: MIT
#pragma once

// Everything that uploads share in their thread: the queue for slots (upload-queue.h), the sender
// (sender.h), and the HTTP connections. An HTTP connection stays in this thread from its first byte
// to its last, so that a request for another range costs the control loop nothing.

#include <stdatomic.h>

#include "config/config.h"
#include "net/loop-thread.h"
#include "peer/uploads/sender.h"
#include "peer/uploads/upload-queue.h"
#include "peer/uploads/upload-refusals.h"

typedef struct UploadHttp UploadHttp;

typedef struct UploadSettings {
    uint64_t slots;
    uint64_t rate;
    PrefixList exempt; // owned
} UploadSettings;

typedef struct UploadHub {
    LoopThread *thread;
    // Counts the changes of the shares. A file that was looked up before a change is looked up
    // again.
    _Atomic uint64_t generation;

    // The thread's own.
    Poller *poller;
    sd_event_source *tick;
    UploadSettings settings;
    UploadQueue queue;
    Sender sender;
    TAILQ_HEAD(, UploadHttp) sessions;
    size_t session_count;
    UploadRefusals refusals;
} UploadHub;

// Call this before the thread is started. 0 or -errno.
int upload_hub_init(UploadHub *hub, LoopThread *thread);
// Call this after the thread has stopped.
void upload_hub_done(UploadHub *hub);

// Call this in the control loop, at any time. Copies the settings. 0 or -ENOMEM.
int upload_hub_configure(UploadHub *hub, uint64_t slots, uint64_t rate, const PrefixList *exempt);
