// SPDX-License-Identifier: MIT
#pragma once

#include <sys/resource.h>
#include <unistd.h>

enum {
    // A third of the weight of a thread that has not given way, see sched(7).
    GIVE_WAY_NICE = 5,
};

// For threads that move or hash bytes: a busy one would keep the control loop, and the other side of a D-Bus call, waiting
// for a processor for tens of milliseconds. As a hint: where it is not allowed, nothing changes. Threads that it starts
// inherit it.
static inline void thread_give_way(void) {
    (void) setpriority(PRIO_PROCESS, (id_t) gettid(), GIVE_WAY_NICE);
}
