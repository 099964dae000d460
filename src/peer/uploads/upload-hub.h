// SPDX-License-Identifier: MIT
#pragma once

// What the uploads share in their thread: who may send (upload-queue.h), who sends (sender.h), and
// the HTTP connections, which live there from their first byte to their last: a range that is asked
// for on an open connection costs the control loop nothing.

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
    // Counts the changes of the shares: what was looked up before one is looked up again.
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

// Before the thread is started. 0 or -errno.
int upload_hub_init(UploadHub *hub, LoopThread *thread);
// After it has been stopped.
void upload_hub_done(UploadHub *hub);

// From the control loop, at any time; copies them. 0 or -ENOMEM.
int upload_hub_configure(UploadHub *hub, uint64_t slots, uint64_t rate, const PrefixList *exempt);
