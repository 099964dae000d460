// SPDX-License-Identifier: MIT
#pragma once

// Moves what a DOWNLOAD brings from its socket into a file, in a LoopThread, so that neither a slow
// disk nor hundreds of transfers keep the control loop (FT, D-Bus) waiting. A Move is handed in
// with its socket and file ready; it comes back when it is over. Progress is read from an atomic.

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
    Buffer lead;   // owned; what has arrived so far, header included
    FileHeader header;
    bool exempt;                 // from the rate
    void (*on_done)(Move *move); // on the control loop; takes the move over
    void *userdata;

    // Shared.
    _Atomic uint64_t moved; // bytes of the file so far
    _Atomic bool cancelled;

    // The result, when on_done is called. 0; -ECANCELED; -EPROTO: the other side sent less,
    // -EMSGSIZE: or more than `size`; -ETIMEDOUT: too little progress; -errno.
    int result;
    bool file_failed; // the result is about our file, not about the other side

    // The mover's own.
    Mover *mover;
    LoopCall call;
    TAILQ_ENTRY(Move) link;   // the control loop's: all that are under way
    TAILQ_ENTRY(Move) active; // the thread's
    bool throttled;           // is not looked at before the rate allows more
    PollWatch watch;
    uint64_t received;    // bytes, header included
    int wake;             // SO_RCVLOWAT, 0: not set
    uint64_t progress;    // when bytes moved last, CLOCK_MONOTONIC µs
    uint64_t stall_since; // when enough had moved to call it progress, the same
    uint64_t stall_moved; // `moved` then
};

// `limit`: of all moves that are not exempt; the thread's. Before the thread is started. 0 or
// -errno.
int mover_new(LoopThread *thread, RateLimit *limit, Mover **ret);
// After the thread has been stopped. Frees the moves that are under way, without on_done.
Mover *mover_free(Mover *mover);
DEFINE_CLEANUP_FUNC(Mover, mover_free)

Move *move_new(void);        // NULL: out of memory
Move *move_free(Move *move); // only before mover_submit() or after on_done
DEFINE_CLEANUP_FUNC(Move, move_free)

// Takes the move over.
void mover_submit(Mover *mover, Move *move);

// Bytes that all moves have received so far, headers included. From any thread.
uint64_t mover_received(const Mover *mover);

// Ends it soon, with -ECANCELED. Only between mover_submit() and on_done.
void move_cancel(Move *move);
