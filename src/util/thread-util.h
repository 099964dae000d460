// SPDX-License-Identifier: MIT
#pragma once

#include <sys/resource.h>
#include <unistd.h>

enum {
    // This thread then weighs a third of a normal one, see sched(7).
    GIVE_WAY_NICE = 5,
};

// For threads that move or hash bytes. A busy one would make the control loop, and clients on
// D-Bus, wait tens of milliseconds for a processor. If the kernel refuses, nothing changes. New
// threads inherit it.
static inline void thread_give_way(void) {
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), GIVE_WAY_NICE);
}
