// SPDX-License-Identifier: MIT
#pragma once

// Declarations that the files swarm*.c share. Only the download thread uses the data, except where
// a comment names another thread.

#include <stdatomic.h>

#include "net/poller.h"
#include "peer/swarm/piece-map.h"
#include "peer/swarm/swarm.h"
#include "util/buffer.h"
#include "util/log.h"
#include "util/merkle.h"
#include "util/rate-limit.h"

enum {
    BLOCK_BYTES = 256 * 1024,
};

// The speed that we assume for an unknown source, in bytes per second.
#define NEW_SOURCE_SPEED 1048576.0
// To take a piece from a slow source wastes the bytes that it has sent. Do so only if another
// source is this many times faster.
#define STEAL_GAIN 2

typedef struct SwarmSource SwarmSource;
TAILQ_HEAD(SourceList, SwarmSource);
TAILQ_HEAD(SwarmList, Swarm);
SLIST_HEAD(BlockList, Block);

struct SwarmEngine {
    LoopThread *thread;   // the download thread
    LoopThread *verifier; // its replies arrive in the download thread
    Merkle *checker;      // hashes pieces on disk; only the verify thread uses it
    char *check_buffer;   // likewise
    LeafHasher *leaves;   // likewise; the sources' hashers use it too; may be NULL
    struct SwarmList all; // only the control loop uses it
    sd_event_source *tick;
    struct SwarmList swarms; // the running ones
    struct BlockList blocks; // all blocks, used or free
    struct BlockList free_blocks;
    size_t block_count;
    struct SourceList starved; // wait for a block
    bool feeding;              // engine_feed() is serving `starved`
    struct SourceList throttled;
    sd_event_source *throttle_timer;
    RateLimit *limit;
    LogLimit drop_log, wrong_log;
    _Atomic uint64_t received, wrong_sources;
    size_t connections;
};

// Bytes that a source received, on their way to the verify thread.
typedef struct Block {
    LoopCall call;
    SLIST_ENTRY(Block) link, free_link;
    SwarmSource *source;
    uint64_t piece;
    bool first, last; // of the piece
    int result;       // set for the last block: 0; -EBADMSG: the piece is wrong; -EIO
    size_t len;
    char data[BLOCK_BYTES];
} Block;

// A piece on disk that the verify thread checks.
typedef struct SwarmCheck {
    LoopCall call;
    Swarm *swarm;
    uint64_t piece;
    int result; // 0; -EBADMSG: the bytes are not the piece; -errno
} SwarmCheck;

enum {
    CHECKS_MAX = 4, // at once
};

struct Swarm {
    SwarmEngine *engine;
    TAILQ_ENTRY(Swarm) all_link, link;
    LoopCall call; // carries the swarm to the thread and back
    char *file_name;
    uint32_t transfer; // number of the transfer, for the log
    char *url_name;    // percent-encoded
    MerkleHash root;
    uint64_t size;
    uint64_t piece_bytes;
    int fd;

    PieceMap map;
    MerkleHash *layer; // the hash of each piece; NULL: not known yet
    // When we last asked a source for the layer, CLOCK_MONOTONIC µs; 0: no request is running.
    uint64_t layer_asked;
    struct SourceList sources;
    size_t source_count;
    // A ring of sources that were removed to make room. They are not added again. May be NULL.
    Endpoint *forgotten;
    size_t forgotten_count; // since the start
    // swarm_source_idle() is running; it must start over.
    bool choosing, again;
    // When a source last took a regular place, and when any source last connected, CLOCK_MONOTONIC
    // µs.
    uint64_t places_taken_at;
    uint64_t trial_began;
    uint64_t held_at; // when our own rate or disk last delayed a source, the same clock
    // Blocks and checks in the verify thread. Nothing is freed until they have come back.
    size_t busy_count;
    SwarmCheck checks[CHECKS_MAX];
    bool checking;
    uint64_t check_next; // the next piece to check
    bool finished;       // `result` is final; the swarm waits until busy_count is 0
    int result;
    char why[192];

    // Shared between the threads.
    _Atomic uint64_t verified;
    _Atomic bool stopping;
    _Atomic bool reporting; // true: `report` belongs to the control loop
    LoopCall report_call;
    SwarmStatus report;
    _Atomic bool adding; // true: `added` belongs to the download thread
    SwarmSourceInfo added[SWARM_SOURCES_MAX];
    size_t added_count;

    // The control loop's.
    SwarmStatus status;
    void (*on_changed)(Swarm *swarm, void *userdata);
    void (*on_done)(Swarm *swarm, int result, const char *why, void *userdata);
    void *userdata;
};

//                  assigned             connected            request sent
//   resting ──────────────► connecting ──────────► ready ──────────────────► asked
//     ▲ ▲                        │                 ▲   ▲                       │ head
//     │ │   503, an error        │                 │   └──────── layer ◄───────┤
//     │ └────────────────────────┤                 └──────────── body  ◄───────┘
//     │                          │
//     └── not before… ◄──────────┴──► dropped: wrong bytes, repeated errors
typedef enum SourceState {
    SOURCE_RESTING,
    SOURCE_CONNECTING,
    SOURCE_READY,
    SOURCE_ASKED,
    SOURCE_LAYER,
    SOURCE_BODY,
    SOURCE_DROPPED,
} SourceState;

typedef enum SourceQueue {
    QUEUE_NONE,
    QUEUE_STARVED,
    QUEUE_THROTTLED,
} SourceQueue;

// A peer that has the file, and our connection to it.
struct SwarmSource {
    Swarm *swarm;
    TAILQ_ENTRY(SwarmSource) link;
    TAILQ_ENTRY(SwarmSource) queue_link;
    SourceQueue queue;
    SwarmSourceInfo info;
    SourceState state;
    int fd;
    PollWatch watch;
    Buffer in;      // an incomplete head, the beginning of a body, or a piece layer
    Merkle *merkle; // the verify thread uses it while busy_count > 0
    uint64_t since; // when the state or its progress last changed, CLOCK_MONOTONIC µs
    uint64_t not_before;
    uint64_t connected_at; // when we last connected; 0: never tried
    unsigned failures;     // in a row
    uint32_t queue_place;
    size_t busy_count; // blocks in the verify thread
    bool lied;

    bool closes;     // the peer closes the connection after this response
    bool asks_layer; // the current request is for the piece layer
    // The source still has to send the pieces [piece, run_end), the first of them from `offset` on.
    uint64_t piece, run_end, offset;
    uint64_t body_left; // bytes of the response still to come
    uint64_t run;       // how many pieces the next request asks for
    uint64_t run_began;
    uint64_t run_bytes;
    uint64_t tick_bytes;  // since the last tick
    uint64_t stall_bytes; // since `since`
    double speed;         // bytes per second, smoothed; 0: unknown
    int wake;             // SO_RCVLOWAT
};

// swarm-engine.c
void engine_start_tick(SwarmEngine *engine);
Block *engine_take_block(SwarmEngine *engine); // NULL: none is free, call engine_starve()
void engine_return_block(SwarmEngine *engine, Block *block);
// Wakes the sources that wait for a block, as far as blocks are free.
void engine_feed(SwarmEngine *engine);
void engine_verify(SwarmEngine *engine, Block *block);     // then calls swarm_block_verified()
void engine_check(SwarmEngine *engine, SwarmCheck *check); // then calls swarm_check_done()
void engine_starve(SwarmEngine *engine, SwarmSource *source);
void engine_throttle(SwarmEngine *engine, SwarmSource *source);
void engine_unqueue(SwarmSource *source);

// swarm.c
void swarm_block_verified(Block *block);
void swarm_check_done(SwarmCheck *check);
void swarm_tick(Swarm *swarm, uint64_t now);
Swarm *swarm_free(Swarm *swarm);
void swarm_finish(Swarm *swarm, int result); // 0: all pieces are verified; -errno
// A source sent the piece layer. Returns true if it leads to the root, or if the swarm ended.
bool swarm_take_layer(Swarm *swarm, const MerkleHash pieces[]);
// The source is idle. Gives it work now, or leaves it connected for later work.
void swarm_assign(Swarm *swarm, SwarmSource *source);
// Whether the swarm has work for one more source.
bool swarm_needs_sources(Swarm *swarm, uint64_t now);

// swarm-choice.c
// A source has ended a run, failed, or been dropped. Gives its remaining pieces to other sources.
void swarm_source_idle(Swarm *swarm);
// Adds the sources that are not known yet, as far as there is room. Must not be called while a loop
// iterates over the source list. 0 or -errno.
int swarm_take_sources(Swarm *swarm, const SwarmSourceInfo infos[], size_t n);

// swarm-http.c
int source_new(Swarm *swarm, const SwarmSourceInfo *info);
SwarmSource *source_free(SwarmSource *source);
void source_connect(SwarmSource *source);
void source_request_layer(SwarmSource *source);
void source_request_run(SwarmSource *source, uint64_t first, uint64_t n);
// Call this when its socket, a free block or the rate lets the source continue.
void source_receive(SwarmSource *source);
// Closes the connection and gives its pieces back. The source then rests.
void source_close(SwarmSource *source);
// Does not ask this source again during this transfer, and logs why.
void source_drop(SwarmSource *source, const char *why);
// The same, for a source that sent bytes which are not in the file.
void source_drop_wrong(SwarmSource *source, const char *why);
void source_tick(SwarmSource *source, uint64_t now);
