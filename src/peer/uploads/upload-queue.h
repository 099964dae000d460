// SPDX-License-Identifier: MIT
#pragma once

// Decides who may send. There are max-uploads slots and a queue for them, first come, first served.
// A site that has half of the slots must wait until other sites are served. If another site has
// waited for PATIENCE_SECONDS, a site with more than half of the slots loses one.
//
// A DOWNLOAD waits with its connection open. An HTTP client gets its place and the time to come
// back. The queue keeps the place, by the client's address and the file, until a little after that
// time. When its turn comes, the queue also keeps a slot for it.
//
// The queue does no I/O and reads no clock: the caller passes the time.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/address.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

enum {
    UPLOADS_WAITING_MAX = 1024,
    UPLOADS_WAITING_PER_ADDRESS_MAX = UPLOADS_WAITING_MAX / 2, // leaves room for other hosts
    RETRY_SECONDS_MAX = 30,
    // A client may come back this much later than the time it was given.
    RETRY_GRACE_SECONDS = 5,
    // After this wait, a site with more than its share of the slots loses one. This equals the
    // longest retry time of an HTTP client. A client that asks for range after range releases its
    // slot by itself sooner.
    PATIENCE_SECONDS = 30,
};

typedef struct UploadSlot UploadSlot;

// A slot that is taken. Embed it in a structure that does not move until the slot is released.
struct UploadSlot {
    // Set before the slot is requested.
    IpAddress address;
    void (*on_revoked)(UploadSlot *slot); // must stop sending now and release the slot

    TAILQ_ENTRY(UploadSlot) link; // the queue's own
};

typedef struct UploadPlace UploadPlace;

struct UploadPlace {
    // Set before upload_queue_wait().
    UploadSlot slot;                     // of a client that comes back, only the address is set
    void (*on_slot)(UploadPlace *place); // the place has left the queue and has a slot

    // The queue's own.
    TAILQ_ENTRY(UploadPlace) link;
    bool waiting; // in the queue
    // Its position at the last upload_queue_tick(), 1 = the next. Any thread may read it.
    _Atomic unsigned number;
    uint64_t since; // when it began to wait, µs
    // Only for a client that comes back: the file, when the place expires in µs (0: it waits with
    // its connection open), and whether a slot is kept for it.
    MerkleHash root;
    uint64_t until;
    bool reserved;
};

typedef struct UploadQueue {
    uint64_t slots;
    size_t active;                             // slots taken
    TAILQ_HEAD(UploadSlots, UploadSlot) taken; // the newest first
    size_t reserved;                           // slots kept for places in the list
    TAILQ_HEAD(, UploadPlace) list;
    size_t count;
    bool changed; // the list has changed since the places were numbered
} UploadQueue;

void upload_queue_init(UploadQueue *queue, uint64_t slots);
void upload_queue_done(UploadQueue *queue); // calls no handler

// Times are CLOCK_MONOTONIC µs. Each function with `now` may call on_slot of any waiting place.
void upload_queue_set_slots(UploadQueue *queue, uint64_t slots, uint64_t now);
// Gives the free slots to waiting places.
void upload_queue_advance(UploadQueue *queue, uint64_t now);
// Removes the clients that did not come back, takes a slot from a site that has too many while
// others wait, and numbers the waiting places. May call on_revoked of one slot.
void upload_queue_tick(UploadQueue *queue, uint64_t now);

// Requests a slot for an open connection. 0: on_slot has been called; 1: the place waits, and
// on_slot is called later; -EBUSY: too many are waiting.
int upload_queue_wait(UploadQueue *queue, UploadPlace *place, uint64_t now);
// Releases a slot. The caller must call upload_queue_advance() next. Calls no handler.
void upload_queue_release(UploadQueue *queue, UploadSlot *slot);
// Whether any place waits without a slot kept for it.
bool upload_queue_is_waited_for(const UploadQueue *queue);
// Removes a place from the queue. Harmless if it does not wait.
void upload_queue_leave(UploadQueue *queue, UploadPlace *place);

typedef struct UploadTurn {
    unsigned place; // 1 = the next; 0: no place
    unsigned retry_seconds;
} UploadTurn;

// Requests a slot for a client that comes back. 1: it has a slot; 0: it must come back, *ret says
// when; -EBUSY: too many are waiting, *ret says when to try again; -ENOMEM.
int upload_queue_ask(UploadQueue *queue, UploadSlot *slot, const MerkleHash *root, uint64_t now,
                     UploadTurn *ret);
