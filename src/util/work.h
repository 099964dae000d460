// SPDX-License-Identifier: MIT
#pragma once

// Runs one blocking call, such as a name lookup or a directory walk, in its own thread and reports
// its end on the loop.

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Work Work;

typedef struct WorkOps {
    void (*run)(void *job);                  // in the thread; touches only the job
    void (*done)(void *job, void *userdata); // on the loop, unless work_free() was called
    void (*free)(void *job);                 // after `done`, or when nobody waits any more
} WorkOps;

// Takes ownership of `job` in any case. 0 or -errno.
int work_start(sd_event *event, const WorkOps *ops, void *job, void *userdata, Work **ret);

// Stops waiting: `done` will not be called. The thread ends when its call returns. `done` may call
// this.
Work *work_free(Work *work);
DEFINE_CLEANUP_FUNC(Work, work_free)
// As work_free(), but waits for the call to return, for calls that use more than their job. NULL is
// allowed.
Work *work_join(Work *work);
