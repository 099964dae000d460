// SPDX-License-Identifier: MIT
#pragma once

// What FT is told of this peer's files: the difference between what is offered now and what it has
// been told in this session, in batches. Nothing here knows a socket or a clock. Internal to
// tracker-client.
//
// Five files are what FT promises everybody. Whether it keeps more shows in a rooted session, where
// it answers each batch with the number of records that it holds (KEPT):
//
//      five ──KEPT: 5──► one more ──KEPT: 6──► twice as many ──KEPT: 12──► … until all are told
//        │                  │                      │
//        └──────────────────┴── KEPT: n, and it stays n: that is the limit, and the first n
//                               are published

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/tracker/tracker-client.h"
#include "proto/framing.h"
#include "util/buffer.h"
#include "util/macro.h"

typedef struct ToldFile ToldFile;
TAILQ_HEAD(ToldList, ToldFile);

typedef struct TrackerPublisher {
    const TrackerHooks *hooks; // borrowed
    // The session:
    Framing framing;
    const RecordSyntax *syntax;
    Endpoint address;     // of this peer, in its records
    ToldFile *files;      // uthash: what FT has been told and not taken back
    struct ToldList list; // the same, in the order in which it was told
    size_t count;         // of them
    size_t allowed;       // how many FT may be told for now
    size_t limit;         // how many it keeps, where that has shown; else SIZE_MAX
    uint64_t kept;        // what it said last
    uint32_t round;       // of looking through the offer
    bool rooted;          // a root was told: FT answers KEPT
    bool awaiting;        // a batch is under way that KEPT does not match yet
    bool answered;        // and there was a KEPT for a part of it
} TrackerPublisher;

void tracker_publisher_init(TrackerPublisher *publisher, const TrackerHooks *hooks);
// A session begins, in which nothing has been told yet.
void tracker_publisher_begin(TrackerPublisher *publisher, Framing framing,
                             const RecordSyntax *syntax, const Endpoint *address);
// It has ended: FT knows nothing any more.
void tracker_publisher_end(TrackerPublisher *publisher);

// Whether there is anything to publish.
bool tracker_publisher_any(const TrackerPublisher *publisher);
// Whether FT has been told exactly what is offered, as far as it may be told.
bool tracker_publisher_current(TrackerPublisher *publisher);
// The offer has changed: also a reason to see whether FT keeps more than it did.
void tracker_publisher_changed(TrackerPublisher *publisher);

// Appends the next batch to `out`; nothing while KEPT is awaited, or if FT knows all. In RAW it can
// be called once in a session. 0 or -ENOMEM.
int tracker_publisher_write(TrackerPublisher *publisher, Buffer *out);
// FT holds n records. True if it has gone through all of the batch: then write on.
bool tracker_publisher_kept(TrackerPublisher *publisher, uint64_t n);
// FT has been silent after a KEPT that did not match: what it has said is its limit. Then write on.
void tracker_publisher_settle(TrackerPublisher *publisher);

// Whether FT holds this very file of ours, as far as that can be known.
bool tracker_publisher_has(const TrackerPublisher *publisher, const Record *record);
// How many files FT keeps; SIZE_MAX: not known yet.
size_t tracker_publisher_limit(const TrackerPublisher *publisher);
