// SPDX-License-Identifier: MIT
#pragma once

// A verified download: fetches the pieces of one file from all peers that have it, over HTTP
// (proto/http.h), several at once. A piece counts once its hash has been checked against the root;
// a source that sends a wrong one is not asked again. What is in the file already is checked first
// and not fetched again.
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
    SWARM_SOURCES_MAX = 64, // peers that a swarm knows of
};

typedef struct Swarm Swarm;
typedef struct SwarmEngine SwarmEngine;

// What all swarms share: the download thread, the verify thread, memory for what is on its way, the
// rate of all sources that are not exempt (`limit`, the download thread's). Before the download
// thread is started. 0 or -errno.
int swarm_engine_new(LoopThread *thread, RateLimit *limit, SwarmEngine **ret);
int swarm_engine_start(SwarmEngine *engine); // the verify thread; 0 or -errno
// Stops the verify thread: before the download thread is stopped.
void swarm_engine_stop(SwarmEngine *engine);
// After both have stopped. Frees the swarms that are under way, without on_done.
SwarmEngine *swarm_engine_free(SwarmEngine *engine);

// Of the verify thread, as loop_thread_silence().
uint64_t swarm_engine_silence(SwarmEngine *engine, uint64_t now);
// Since the start, from any thread: bytes of files, and sources that sent wrong ones.
uint64_t swarm_engine_received(const SwarmEngine *engine);
uint64_t swarm_engine_wrong_sources(const SwarmEngine *engine);

typedef enum SwarmState {
    SWARM_CONNECTING, // no source has answered yet
    SWARM_CHECKING,   // what is in the file already
    SWARM_WAITING,    // all sources have us wait for a slot
    SWARM_ACTIVE,
} SwarmState;

typedef struct SwarmSourceInfo {
    Endpoint endpoint;
    bool exempt; // from the rate
} SwarmSourceInfo;

// What the swarm last reported; owned by the control loop.
typedef struct SwarmStatus {
    SwarmState state;
    uint32_t queue_place; // the best one; 0: not in a queue
    size_t source_count;  // of those that deliver
    Endpoint sources[SWARM_SOURCES_MAX];
} SwarmStatus;

typedef struct SwarmJob {
    const char *file_name; // for the log, and the end of the URL; copied
    uint32_t transfer;     // its number, for the log
    MerkleHash root;
    uint64_t size;
    int fd; // open for reading and writing; taken over on success
    const SwarmSourceInfo *sources;
    size_t source_count;

    void (*on_changed)(Swarm *swarm, void *userdata); // swarm_status() has
    // The swarm is over, and gone after the call. 0: every piece is there, not synced yet;
    // -ECANCELED: swarm_stop(); -ENODATA: no source is left, `why` says what the last one did;
    // -errno: the file cannot be written or read.
    void (*on_done)(Swarm *swarm, int result, const char *why, void *userdata);
    void *userdata;
} SwarmJob;

int swarm_start(SwarmEngine *engine, const SwarmJob *job, Swarm **ret); // 0 or -errno
// Ends it soon, with on_done(-ECANCELED) or what happened before.
void swarm_stop(Swarm *swarm);
// More sources, or the same ones: those that are known already do not count.
void swarm_add_sources(Swarm *swarm, const SwarmSourceInfo sources[], size_t n);

const SwarmStatus *swarm_status(const Swarm *swarm);
uint64_t swarm_verified(const Swarm *swarm); // bytes of the pieces that are there
