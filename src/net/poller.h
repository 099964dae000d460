// SPDX-License-Identifier: MIT
#pragma once

// One inner epoll for the busy sockets, a single source of the sd-event loop. sd-event dispatches one
// source per epoll_wait(); with many ready sockets that costs several times the work itself
// (in a prototype, two and a half times the CPU at 256 downloads). Here each wake-up drains a batch.

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Poller Poller;
typedef struct PollWatch PollWatch;
typedef struct StreamPool StreamPool;

// `events` as epoll_wait(2) reports them. May add, change and remove any watch, its own included.
typedef void (*PollHandler)(PollWatch *watch, uint32_t events);

// A file descriptor under watch. Embed it; it must stay where it is until poller_remove().
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

// Has a function called behind all handlers of a batch: what they have left undone is done for all of them there.
void poller_after_batch(Poller *poller, void (*done)(void *userdata), void *userdata);

// Has the handler called once more, without events, behind that function. False: no batch is under way; what was to be
// done later is to be done now.
bool poller_later(Poller *poller, PollWatch *watch);

// Work in small pieces, that must not keep the sockets waiting: from poller_has_work() on, `work` is called with each
// batch, as one of its handlers, until it returns false. (A deferred source of sd-event would not do: while it is on,
// it comes before all others.) 0 or -errno.
int poller_set_work(Poller *poller, bool (*work)(void *userdata), void *userdata);
void poller_has_work(Poller *poller);

// A place in the queue of those whose handlers are called once more, with POLLER_TURN: one with each batch. Embed it, and
// leave the queue before it goes. Only where poller_set_work() has been called.
typedef struct PollTurn {
    TAILQ_ENTRY(PollTurn) link;
    PollWatch *watch; // NULL: in no queue
} PollTurn;

enum {
    POLLER_TURN = 1 << 20, // none of epoll's events
};

void poller_wait_turn(Poller *poller, PollTurn *turn,
                      PollWatch *watch);                // harmless where it waits already
void poller_leave_turn(Poller *poller, PollTurn *turn); // and where it does not

// Level-triggered. 0 or -errno.
int poller_add(Poller *poller, PollWatch *watch, int fd, uint32_t events, PollHandler handler);
int poller_change(Poller *poller, PollWatch *watch, uint32_t events);
// Harmless for a watch that is not watched.
void poller_remove(Poller *poller, PollWatch *watch);

// Scratch memory for the handler that runs, so that a connection needs a buffer of its own only for
// what is incomplete.
enum {
    POLLER_SCRATCH_BYTES = 65536,
};
char *poller_scratch(Poller *poller);

// What streams have in common; net/stream-pool.h.
StreamPool *poller_streams(Poller *poller);
// Memory of all its streams for what has come and is not consumed, and for what is not sent: bytes; `max` 0 = no limit.
void poller_set_held_max(Poller *poller, uint64_t max);
uint64_t poller_held(const Poller *poller);
