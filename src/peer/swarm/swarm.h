// SPDX-License-Identifier: MIT
#pragma once

// A verified download. The swarm fetches the pieces of one file over HTTP (proto/http.h), from
// several peers at once. A piece counts only after its hash has been checked against the root. A
// source that sends a wrong piece is not asked again. The swarm first checks the pieces that are in
// the file already, and does not fetch those again.
//
//   control loop          download thread                        verify thread
//   ────────────          ───────────────                        ─────────────
//   swarm_start() ──────► sources connect and ask for pieces
//                         recv, pwrite ──────── Block ─────────► hash
//                         piece there, or missing again ◄─────── good or not
//   on_changed ◄───────── now and then
//   on_done ◄──────────── all pieces are there, or no source is left

#include <stdbool.h>
#include <stdint.h>

#include "net/loop-thread.h"
#include "util/address.h"
#include "util/merkle-hash.h"
#include "util/rate-limit.h"

enum {
    SWARM_SOURCES_MAX = 64, // peers that a swarm knows
};

typedef struct Swarm Swarm;
typedef struct SwarmEngine SwarmEngine;

// The engine holds what all swarms share: the download thread, the verify thread, the memory for
// received blocks, and the rate. `limit` is the rate of all sources that are not exempt; only the
// download thread uses it. Call this before the download thread is started. 0 or -errno.
int swarm_engine_new(LoopThread *thread, RateLimit *limit, SwarmEngine **ret);
int swarm_engine_start(SwarmEngine *engine); // starts the verify thread; 0 or -errno
// Stops the verify thread. Call this before the download thread is stopped.
void swarm_engine_stop(SwarmEngine *engine);
// Call this after both threads have stopped. It frees the running swarms without calling on_done.
SwarmEngine *swarm_engine_free(SwarmEngine *engine);

// loop_thread_silence() of the verify thread.
uint64_t swarm_engine_silence(SwarmEngine *engine, uint64_t now);
// Counted since the start: bytes of files received, and sources that sent wrong bytes. Any thread
// may call these.
uint64_t swarm_engine_received(const SwarmEngine *engine);
uint64_t swarm_engine_wrong_sources(const SwarmEngine *engine);

typedef enum SwarmState {
    SWARM_CONNECTING, // no source has answered yet
    SWARM_CHECKING,   // checks the pieces that are in the file already
    SWARM_WAITING,    // all sources make us wait for a slot
    SWARM_ACTIVE,
} SwarmState;

typedef struct SwarmSourceInfo {
    Endpoint endpoint;
    bool exempt; // no rate limit
} SwarmSourceInfo;

// The last report of the swarm; owned by the control loop.
typedef struct SwarmStatus {
    SwarmState state;
    uint32_t queue_place; // our best place in a source's queue; 0: in no queue
    size_t source_count;  // the sources that deliver
    Endpoint sources[SWARM_SOURCES_MAX];
} SwarmStatus;

typedef struct SwarmJob {
    const char *file_name; // for the log, and for the end of the URL; copied
    uint32_t transfer;     // number of the transfer, for the log
    MerkleHash root;
    uint64_t size;
    int fd; // open for reading and writing; the swarm owns it on success
    const SwarmSourceInfo *sources;
    size_t source_count;

    void (*on_changed)(Swarm *swarm, void *userdata); // swarm_status() has changed
    // The swarm is over; it frees itself after this call. 0: all pieces are verified, but not yet
    // synced; -ECANCELED: swarm_stop(); -ENODATA: no source is left, and `why` says what the last
    // one did wrong; any other -errno: the file cannot be written or read.
    void (*on_done)(Swarm *swarm, int result, const char *why, void *userdata);
    void *userdata;
} SwarmJob;

int swarm_start(SwarmEngine *engine, const SwarmJob *job, Swarm **ret); // 0 or -errno
// Ends the swarm soon, with on_done(-ECANCELED) or the result that it had before.
void swarm_stop(Swarm *swarm);
// Adds sources. Sources that the swarm knows already are ignored.
void swarm_add_sources(Swarm *swarm, const SwarmSourceInfo sources[], size_t n);

const SwarmStatus *swarm_status(const Swarm *swarm);
uint64_t swarm_verified(const Swarm *swarm); // bytes of all verified pieces
