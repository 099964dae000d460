// SPDX-License-Identifier: MIT
#pragma once

// What swarm*.c know of each other. All of it belongs to the download thread, but for what is said
// otherwise.

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

// Bytes per second that may be expected of a source of which nothing is known.
#define NEW_SOURCE_SPEED 1048576.0
// Taking a piece away from a source that crawls costs what it has of it: only if another one is so
// much faster.
#define STEAL_GAIN 2

typedef struct SwarmSource SwarmSource;
TAILQ_HEAD(SourceList, SwarmSource);
TAILQ_HEAD(SwarmList, Swarm);
SLIST_HEAD(BlockList, Block);

struct SwarmEngine {
    LoopThread *thread;   // download
    LoopThread *verifier; // its replies arrive in the download thread
    Merkle *checker;      // the verify thread's, for what is on disk
    char *check_buffer;   // the same
    LeafHasher *leaves;   // the same, also for the sources'; or NULL
    struct SwarmList all; // the control loop's
    sd_event_source *tick;
    struct SwarmList swarms; // that run
    struct BlockList blocks; // all
    struct BlockList free_blocks;
    size_t block_count;
    struct SourceList starved; // wait for a block
    bool feeding;              // those that wait are being served
    struct SourceList throttled;
    sd_event_source *throttle_timer;
    RateLimit *limit;
    LogLimit drop_log, wrong_log;
    _Atomic uint64_t received, wrong_sources;
    size_t connections;
};

// Bytes on their way from a socket to the verify thread.
typedef struct Block {
    LoopCall call;
    SLIST_ENTRY(Block) link, free_link;
    SwarmSource *source;
    uint64_t piece;
    bool first, last; // of the piece
    int result;       // of the last one: 0; -EBADMSG: the piece is wrong; -EIO
    size_t len;
    char data[BLOCK_BYTES];
} Block;

// A piece on disk, on its way to the verify thread.
typedef struct SwarmCheck {
    LoopCall call;
    Swarm *swarm;
    uint64_t piece;
    int result; // 0; -EBADMSG: not the piece; -errno
} SwarmCheck;

enum {
    CHECKS_MAX = 4, // at once
};

struct Swarm {
    SwarmEngine *engine;
    TAILQ_ENTRY(Swarm) all_link, link;
    LoopCall call; // carries the swarm to the thread and back
    char *file_name;
    uint32_t transfer; // the number of it, for the log
    char *url_name;    // percent-encoded
    MerkleHash root;
    uint64_t size;
    uint64_t piece_bytes;
    int fd;

    PieceMap map;
    MerkleHash *layer;    // the hash of each piece; NULL: not known yet
    uint64_t layer_asked; // when somebody was asked for it last, CLOCK_MONOTONIC µs; 0: nobody is
    struct SourceList sources;
    size_t source_count;
    Endpoint *forgotten; // a ring of those that made room for others, not taken in again; or NULL
    size_t forgotten_count;   // since the start
    bool choosing, again;     // swarm_source_idle() is at it; has to begin anew
    uint64_t places_taken_at; // when a place was taken last, and one on trial; CLOCK_MONOTONIC µs
    uint64_t trial_began;
    uint64_t held_at; // our own rate, or our own disk, held a source up
    // Blocks and checks in the verify thread: nothing is freed before they are back.
    size_t busy_count;
    SwarmCheck checks[CHECKS_MAX];
    bool checking;
    uint64_t check_next; // the piece
    bool finished;       // `result` stands; waits for busy_count
    int result;
    char why[192];

    // Between the threads.
    _Atomic uint64_t verified;
    _Atomic bool stopping;
    _Atomic bool reporting; // `report` belongs to the control loop
    LoopCall report_call;
    SwarmStatus report;
    _Atomic bool adding; // `added` belongs to the thread
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
//     └── not before… ◄──────────┴──► dropped: wrong bytes, errors again and again
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

// A peer that has the file, and the connection with it.
struct SwarmSource {
    Swarm *swarm;
    TAILQ_ENTRY(SwarmSource) link;
    TAILQ_ENTRY(SwarmSource) queue_link;
    SourceQueue queue;
    SwarmSourceInfo info;
    SourceState state;
    int fd;
    PollWatch watch;
    Buffer in;      // a head that is not complete, the beginning of a body, a piece layer
    Merkle *merkle; // the verify thread's while a block is there
    uint64_t since; // of the state, or of the last progress in it; CLOCK_MONOTONIC µs
    uint64_t not_before;
    uint64_t connected_at; // last; 0: not tried yet
    unsigned failures;     // in a row
    uint32_t queue_place;
    size_t busy_count; // blocks in the verify thread
    bool lied;

    bool closes;     // the connection, behind this response
    bool asks_layer; // the request under way is for the piece layer
    // The pieces [piece, run_end) are to come, the first of them from `offset` on.
    uint64_t piece, run_end, offset;
    uint64_t body_left; // bytes of the response
    uint64_t run;       // pieces to ask for at once
    uint64_t run_began;
    uint64_t run_bytes;
    uint64_t tick_bytes;  // since the last tick
    uint64_t stall_bytes; // since `since`
    double speed;         // bytes per second, smoothed; 0: not known
    int wake;             // SO_RCVLOWAT
};

// swarm-engine.c
void engine_start_tick(SwarmEngine *engine);
Block *engine_take_block(SwarmEngine *engine); // NULL: wait, engine_starve()
void engine_return_block(SwarmEngine *engine, Block *block);
void engine_feed(SwarmEngine *engine); // wakes those that wait, now that there are blocks
void engine_verify(SwarmEngine *engine, Block *block);     // comes back with swarm_block_verified()
void engine_check(SwarmEngine *engine, SwarmCheck *check); // comes back with swarm_check_done()
void engine_starve(SwarmEngine *engine, SwarmSource *source);
void engine_throttle(SwarmEngine *engine, SwarmSource *source);
void engine_unqueue(SwarmSource *source);

// swarm.c
void swarm_block_verified(Block *block);
void swarm_check_done(SwarmCheck *check);
void swarm_tick(Swarm *swarm, uint64_t now);
Swarm *swarm_free(Swarm *swarm);
void swarm_finish(Swarm *swarm, int result); // 0: all is there; -errno
// The piece layer has come: true if it leads to the root.
bool swarm_take_layer(Swarm *swarm, const MerkleHash pieces[]);
// The source has nothing to do: finds something, now or later.
void swarm_assign(Swarm *swarm, SwarmSource *source);
// Whether there is something to do for one source more.
bool swarm_needs_sources(Swarm *swarm, uint64_t now);

// swarm-choice.c
// A source has ended a run, failed, or been dropped: others may go on with what it had.
void swarm_source_idle(Swarm *swarm);
// Those that are not known yet, as far as there is room. 0 or -errno. Not while somebody goes
// through the list.
int swarm_take_sources(Swarm *swarm, const SwarmSourceInfo infos[], size_t n);

// swarm-http.c
int source_new(Swarm *swarm, const SwarmSourceInfo *info);
SwarmSource *source_free(SwarmSource *source);
void source_connect(SwarmSource *source);
void source_request_layer(SwarmSource *source);
void source_request_run(SwarmSource *source, uint64_t first, uint64_t n);
void source_receive(SwarmSource *source); // as its socket, a block, or the rate allows
void source_close(SwarmSource *source);   // to rest; gives its pieces back
// Not asked again in this transfer. Logged.
void source_drop(SwarmSource *source, const char *why);
// The same, of one that sent what is not in the file.
void source_drop_wrong(SwarmSource *source, const char *why);
void source_tick(SwarmSource *source, uint64_t now);
