// SPDX-License-Identifier: MIT
#pragma once

// A second loop, in its own thread, for moving bytes. The control loop and the thread share nothing
// but calls: a call hands an object over, the object then belongs to the other side, and another
// call returns it. Calls arrive in order.

#include <systemd/sd-event.h>

#include "net/poller.h"
#include "util/macro.h"

typedef struct LoopThread LoopThread;
typedef struct LoopCall LoopCall;

// Embed it in the object that is handed over. It is free again when `run` is called.
struct LoopCall {
    void (*run)(LoopCall *call); // runs on the other loop
    TAILQ_ENTRY(LoopCall) link;
};

// Creates a thread that does not run yet, so its loop can get sources first. Replies arrive on
// `control`. 0 or -errno.
int loop_thread_new(sd_event *control, const char *name, LoopThread **ret);
int loop_thread_start(LoopThread *thread); // 0 or -errno

// Ends the thread. From then on its loop belongs to the caller. Calls that have not run never will.
void loop_thread_stop(LoopThread *thread);
LoopThread *loop_thread_free(LoopThread *thread); // stops it; all its sources must be gone
DEFINE_CLEANUP_FUNC(LoopThread, loop_thread_free)

// The thread's own loop and poller. Use them before the start, in the thread, or after the stop.
sd_event *loop_thread_event(LoopThread *thread);
Poller *loop_thread_poller(LoopThread *thread);

// Asks the thread for a sign of life, unless an earlier question is open. Returns for how long it
// has not answered, in µs. 0: it has. Call it now and then from the control loop.
uint64_t loop_thread_silence(LoopThread *thread, uint64_t now);

void loop_thread_call(LoopThread *thread, LoopCall *call);  // from the control loop to the thread
void loop_thread_reply(LoopThread *thread, LoopCall *call); // from the thread to the control loop
