// SPDX-License-Identifier: MIT
#pragma once

// One inner epoll for all busy sockets, which is a single source of the sd-event loop. sd-event
// dispatches one source per epoll_wait(). With many ready sockets that costs more than the work
// itself: in a prototype, two and a half times the CPU at 256 downloads. Here each wake-up handles
// a batch.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Poller Poller;
typedef struct PollWatch PollWatch;
typedef struct StreamPool StreamPool;

// `events` are those of epoll_wait(2). The handler may add, change and remove any watch, even its
// own.
typedef void (*PollHandler)(PollWatch *watch, uint32_t events);

// A watched file descriptor. Embed it; it must not move until poller_remove().
struct PollWatch {
    PollHandler handler;
    int fd; // borrowed; -EBADF: not watched
    uint16_t events;
    bool later; // see poller_later()
};

int poller_new(sd_event *event, Poller **ret); // 0 or -errno
Poller *poller_free(Poller *poller);           // all watches must be gone
DEFINE_CLEANUP_FUNC(Poller, poller_free)

sd_event *poller_event(Poller *poller);

// Sets a function that runs after all handlers of a batch, to finish for all of them what they put
// off.
void poller_after_batch(Poller *poller, void (*done)(void *userdata), void *userdata);

// Calls the handler again after that function, without events. False: no batch is running, so the
// caller must act at once.
bool poller_later(Poller *poller, PollWatch *watch);

// Sets a function for work in small pieces, which must not delay the sockets. From
// poller_has_work() on it runs once per batch, like a handler, until it returns false. A deferred
// source of sd-event would come before all others as long as it is on. 0 or -errno.
int poller_set_work(Poller *poller, bool (*work)(void *userdata), void *userdata);
void poller_has_work(Poller *poller);

// A place in the queue for a turn. Each batch calls one handler of the queue, with POLLER_TURN.
// Embed it, and leave the queue before freeing it. Needs poller_set_work().
typedef struct PollTurn {
    TAILQ_ENTRY(PollTurn) link;
    PollWatch *watch; // NULL: not queued
} PollTurn;

enum {
    POLLER_TURN = 1 << 20, // none of epoll's events
};

// These do nothing if it waits already, or if it does not wait.
void poller_wait_turn(Poller *poller, PollTurn *turn, PollWatch *watch);
void poller_leave_turn(Poller *poller, PollTurn *turn);

// Level-triggered. 0 or -errno.
int poller_add(Poller *poller, PollWatch *watch, int fd, uint32_t events, PollHandler handler);
int poller_change(Poller *poller, PollWatch *watch, uint32_t events);
// Does nothing if the watch is not watched.
void poller_remove(Poller *poller, PollWatch *watch);

// Scratch memory for the running handler. So a connection needs its own buffer only for incomplete
// input.
enum {
    POLLER_SCRATCH_BYTES = 65536,
};
char *poller_scratch(Poller *poller);

// What all streams share; net/stream-pool.h.
StreamPool *poller_streams(Poller *poller);
// Limits the bytes that all streams hold of unconsumed input and unsent output. 0: no limit.
void poller_set_held_max(Poller *poller, uint64_t max);
uint64_t poller_held(const Poller *poller);
