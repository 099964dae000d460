// SPDX-License-Identifier: MIT
#pragma once

// Tells FT about this peer's files. It compares the current offer with what FT was told in this
// session, and writes the difference in batches. It uses neither a socket nor a clock. Internal to
// tracker-client.
//
// FT promises to keep five files of every peer. Only a rooted session shows whether it keeps more:
// there FT answers each batch with the number of records that it holds (KEPT):
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
    // State of the session:
    Framing framing;
    const RecordSyntax *syntax;
    Endpoint address; // this peer's endpoint in its records
    // uthash: the files that FT was told about, without those taken back.
    ToldFile *files;
    struct ToldList list; // the same files, in the order of telling
    size_t count;         // how many there are
    size_t allowed;       // how many files FT may be told about for now
    size_t limit;         // how many files FT keeps; SIZE_MAX: not known
    uint64_t kept;        // the number in the last KEPT
    uint32_t round;       // number of the current pass over the offer
    bool rooted;          // FT was told a root, so it answers KEPT
    bool awaiting;        // KEPT does not match the last batch yet
    bool answered;        // while awaiting: a KEPT came for part of it
} TrackerPublisher;

void tracker_publisher_init(TrackerPublisher *publisher, const TrackerHooks *hooks);
// Call it when a session begins: FT has been told nothing yet.
void tracker_publisher_begin(TrackerPublisher *publisher, Framing framing,
                             const RecordSyntax *syntax, const Endpoint *address);
// Call it when the session has ended: FT has forgotten everything.
void tracker_publisher_end(TrackerPublisher *publisher);

// Whether there is anything to publish.
bool tracker_publisher_any(const TrackerPublisher *publisher);
// Whether FT was told exactly the current offer, up to the number of files allowed.
bool tracker_publisher_current(TrackerPublisher *publisher);
// Call it when the offer changed. Also tries again whether FT keeps more files than before.
void tracker_publisher_changed(TrackerPublisher *publisher);

// Appends the next batch to `out`. Appends nothing while KEPT is awaited, or if FT knows all. In
// RAW, call it only once in a session. 0 or -ENOMEM.
int tracker_publisher_write(TrackerPublisher *publisher, Buffer *out);
// Takes KEPT: FT holds n records. True if FT has processed the whole batch: then write the next.
bool tracker_publisher_kept(TrackerPublisher *publisher, uint64_t n);
// Call it when FT stays silent after a KEPT that did not match: that number is its limit. Then
// write the next batch.
void tracker_publisher_settle(TrackerPublisher *publisher);

// Whether FT holds exactly this file, as far as the peer can know.
bool tracker_publisher_has(const TrackerPublisher *publisher, const Record *record);
// How many files FT keeps of this peer; SIZE_MAX: not known yet.
size_t tracker_publisher_limit(const TrackerPublisher *publisher);
