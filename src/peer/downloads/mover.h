// SPDX-License-Identifier: MIT
#pragma once

// Moves the bytes of a DOWNLOAD from its socket into a file. It does so in a LoopThread, so that a
// slow disk or hundreds of transfers never block the control loop (FT, D-Bus). The caller submits a
// Move with its socket and file open, and gets it back when it is over. The atomic Move.moved shows
// the progress.

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "net/loop-thread.h"
#include "net/poller.h"
#include "proto/message.h"
#include "util/macro.h"
#include "util/rate-limit.h"

typedef struct Mover Mover;
typedef struct Move Move;

struct Move {
    // Set before mover_submit().
    int socket_fd; // owned
    int file_fd;   // owned
    uint64_t size; // bytes of the file
    Buffer lead;   // owned; the bytes that have arrived so far, header included
    FileHeader header;
    bool exempt;                 // no rate limit
    void (*on_done)(Move *move); // called on the control loop; the callee then owns the move
    void *userdata;

    // Shared.
    _Atomic uint64_t moved; // bytes of the file so far
    _Atomic bool cancelled;

    // Set when on_done is called. 0; -ECANCELED; -EPROTO: the sender sent less than `size`;
    // -EMSGSIZE: it sent more; -ETIMEDOUT: too little progress; -errno.
    int result;
    bool file_failed; // the result is about our file, not about the sender

    // The mover's own.
    Mover *mover;
    LoopCall call;
    TAILQ_ENTRY(Move) link;   // in the control loop's list of all running moves
    TAILQ_ENTRY(Move) active; // in the thread's list
    bool throttled;           // the move waits until the rate allows more
    PollWatch watch;
    uint64_t received; // bytes, header included
    int wake;          // SO_RCVLOWAT, 0: not set
    uint64_t progress; // when bytes moved last, CLOCK_MONOTONIC µs
    // When enough bytes had last moved to count as progress, CLOCK_MONOTONIC µs.
    uint64_t stall_since;
    uint64_t stall_moved; // `moved` at that time
};

// `limit` is the rate of all moves that are not exempt; only the thread uses it. Call this before
// the thread is started. 0 or -errno.
int mover_new(LoopThread *thread, RateLimit *limit, Mover **ret);
// Call this after the thread has stopped. It frees the running moves without calling on_done.
Mover *mover_free(Mover *mover);
DEFINE_CLEANUP_FUNC(Mover, mover_free)

Move *move_new(void);        // NULL: out of memory
Move *move_free(Move *move); // only before mover_submit() or after on_done
DEFINE_CLEANUP_FUNC(Move, move_free)

// The mover owns the move until on_done.
void mover_submit(Mover *mover, Move *move);

// Bytes that all moves have received so far, headers included. Any thread may call this.
uint64_t mover_received(const Mover *mover);

// Ends the move soon, with -ECANCELED. Only between mover_submit() and on_done.
void move_cancel(Move *move);
