// SPDX-License-Identifier: MIT
#pragma once

// A second loop, in a thread of its own, for what moves bytes. The control loop and the thread share
// nothing but calls: an object is handed over with a call, belongs to the other side from then on, and comes
// back with another one. Calls arrive in their order.

#include <systemd/sd-event.h>

#include "net/poller.h"
#include "util/macro.h"

typedef struct LoopThread LoopThread;
typedef struct LoopCall LoopCall;

// Embed it in the object that is handed over; it may be used again once `run` has been called.
struct LoopCall {
    void (*run)(LoopCall *call); // on the other loop
    TAILQ_ENTRY(LoopCall) link;
};

// The thread does not run yet: sources may be added to its loop. `control`: where replies arrive.
// 0 or -errno.
int loop_thread_new(sd_event *control, const char *name, LoopThread **ret);
int loop_thread_start(LoopThread *thread); // 0 or -errno

// Ends the thread: from here on its loop is the caller's, and calls that have not run never will.
void loop_thread_stop(LoopThread *thread);
LoopThread *loop_thread_free(LoopThread *thread); // stops it; all its sources must be gone
DEFINE_CLEANUP_FUNC(LoopThread, loop_thread_free)

// The thread's own loop and poller: before the start, in the thread, and after the stop.
sd_event *loop_thread_event(LoopThread *thread);
Poller *loop_thread_poller(LoopThread *thread);

// Asks the thread for a sign of life, unless it was asked before; how long it has not answered by now, in µs, 0: it has.
// From the control loop, now and then.
uint64_t loop_thread_silence(LoopThread *thread, uint64_t now);

void loop_thread_call(LoopThread *thread, LoopCall *call);  // from the control loop to the thread
void loop_thread_reply(LoopThread *thread, LoopCall *call); // and back, in the thread
