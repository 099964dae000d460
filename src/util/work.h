// SPDX-License-Identifier: MIT
#pragma once

// One blocking call (a name look-up, a directory walk) in a thread of its own, its end reported on the
// loop.

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Work Work;

typedef struct WorkOps {
    void (*run)(void *job);                  // in the thread; touches nothing but the job
    void (*done)(void *job, void *userdata); // on the loop, unless work_free() came first
    void (*free)(void *job);                 // after done, or when nobody waits any more
} WorkOps;

// Takes over `job`, whatever the result. 0 or -errno.
int work_start(sd_event *event, const WorkOps *ops, void *job, void *userdata, Work **ret);

// Stops waiting: `done` will not be called. The thread ends when its call returns. May be called from
// `done`.
Work *work_free(Work *work);
DEFINE_CLEANUP_FUNC(Work, work_free)
// The same, but waits for the call to return: for what uses more than its job. NULL is fine.
Work *work_join(Work *work);
