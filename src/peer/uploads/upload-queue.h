// SPDX-License-Identifier: MIT
#pragma once

// Who may send: max-uploads slots, and a queue before them, first come first served, as long as no
// site has half of the slots: then those of other sites come before its own, and if one of these
// has waited for long, a site that has more than half loses one. A DOWNLOAD waits with its
// connection open. An HTTP client is told its place and when to come back; the place is kept for
// that long and a little longer, by its address and the file, and when its turn has come a slot is
// kept for it as well. No I/O, no clock: the caller says what time it is.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/address.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    UPLOADS_WAITING_MAX = 1024,
    UPLOADS_WAITING_PER_ADDRESS_MAX = UPLOADS_WAITING_MAX / 2, // one host leaves room for others
    RETRY_SECONDS_MAX = 30,
    // A client may be this much later than it was told to be.
    RETRY_GRACE_SECONDS = 5,
    // Then a site that has more than its share of the slots loses one. As long as the longest way
    // back of an HTTP client: who asks for one range after another gives its slot back by itself
    // sooner than that.
    PATIENCE_SECONDS = 30,
};

typedef struct UploadSlot UploadSlot;

// One that is taken. Embed it; it must stay where it is until it is released.
struct UploadSlot {
    // Set before it is asked for.
    IpAddress address;
    void (*on_revoked)(UploadSlot *slot); // what is sent must end now, and release it

    TAILQ_ENTRY(UploadSlot) link; // the queue's own
};

typedef struct UploadPlace UploadPlace;

struct UploadPlace {
    // Set before upload_queue_wait().
    UploadSlot slot;                     // of one that comes back only the address
    void (*on_slot)(UploadPlace *place); // it is out of the queue, and has a slot

    // The queue's own.
    TAILQ_ENTRY(UploadPlace) link;
    bool waiting; // in the queue
    // Its place there as upload_queue_tick() has seen it last, 1 = the next. Any thread may read
    // it.
    _Atomic unsigned number;
    uint64_t since;  // it has been waiting, µs
    MerkleHash root; // of one that comes back
    uint64_t until;  // likewise: kept until then, µs; 0: it waits with its connection
    bool reserved;   // likewise: a slot is kept for it
};

typedef struct UploadQueue {
    uint64_t slots;
    size_t active;                             // slots taken
    TAILQ_HEAD(UploadSlots, UploadSlot) taken; // the newest first
    size_t reserved;                           // slots kept for places in the list
    TAILQ_HEAD(, UploadPlace) list;
    size_t count;
    bool changed; // since they were numbered
} UploadQueue;

void upload_queue_init(UploadQueue *queue, uint64_t slots);
void upload_queue_done(UploadQueue *queue); // nobody is told

// Times are CLOCK_MONOTONIC µs. Each of these may call on_slot of any place that waits.
void upload_queue_set_slots(UploadQueue *queue, uint64_t slots, uint64_t now);
// Gives the free slots to those that wait.
void upload_queue_advance(UploadQueue *queue, uint64_t now);
// Lets go of those that did not come back, takes a slot from a site that has too many while others
// wait, and numbers those that wait. May call on_revoked of one.
void upload_queue_tick(UploadQueue *queue, uint64_t now);

// For a connection. 0: on_slot has been called; 1: it waits, and on_slot comes; -EBUSY: too many
// do.
int upload_queue_wait(UploadQueue *queue, UploadPlace *place, uint64_t now);
// It is no longer used; upload_queue_advance() is to follow. Calls nobody.
void upload_queue_release(UploadQueue *queue, UploadSlot *slot);
// Whether anybody waits for whom no slot is kept.
bool upload_queue_is_waited_for(const UploadQueue *queue);
// It waits no longer. Harmless for one that does not.
void upload_queue_leave(UploadQueue *queue, UploadPlace *place);

typedef struct UploadTurn {
    unsigned place; // 1 = the next; 0: none
    unsigned retry_seconds;
} UploadTurn;

// For a client that comes and goes. 1: it has a slot; 0: it must come back, *ret says when; -EBUSY:
// too many are waiting, *ret says when to try; -ENOMEM.
int upload_queue_ask(UploadQueue *queue, UploadSlot *slot, const MerkleHash *root, uint64_t now,
                     UploadTurn *ret);
