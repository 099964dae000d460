// SPDX-License-Identifier: MIT
#pragma once

// The peer's session with FT: joins, publishes, searches, leaves, and comes back by itself when FT
// has been away.
//
//                    nothing to publish
//          idle ◄──────────────────────┐ tracker_publish()
//           │                          │
//           ▼ join (reading first)     │                              ┌── lost, refused ──┐
//        resolving ──► connecting ──► greeting ──► telling ──► joined                     │
//           ▲             ▲            │   └─────────────────────►│ leave                 ▼
//           │             │            │ no HI       │ no KEPT     ▼                    waiting
//           │             └─── RAW ◄───┘             │            left ──join──► …        │
//           │             └─── without roots ◄───────┘                                    │
//           └──────────────────────────────────────────────────────── back-off ───────────┘

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "net/poller.h"
#include "proto/find.h"
#include "proto/message.h"
#include "proto/record.h"

typedef struct Tracker Tracker;

// How to speak to FT: protocol.h, Framing.
typedef enum Dialect {
    DIALECT_AUTO, // LINE, and RAW if that gets no answer
    DIALECT_LINE,
    DIALECT_RAW,
} Dialect;

typedef enum TrackerState {
    TRACKER_IDLE,    // no FT is configured, or nothing is shared: FT would not accept us
    TRACKER_READING, // nothing can be published yet: the shares are being read or hashed
    TRACKER_WAITING, // the last attempt failed; the next one follows
    TRACKER_RESOLVING,
    TRACKER_CONNECTING,
    TRACKER_GREETING, // HELLO is sent
    TRACKER_TELLING,  // records with roots are sent, and FT has not shown yet that it knows them
    TRACKER_JOINED,
    TRACKER_LEFT, // the user wanted so
} TrackerState;

// As on D-Bus: the steps of joining are one.
const char *tracker_state_name(TrackerState state);

typedef struct TrackerHooks {
    void (*on_state)(void *userdata); // state, reason, address or what is published has changed
    // The next record that shall be published at or behind *position (at first 0), which is moved
    // behind it, in the order in which they count: FT may not keep them all. False: there are no
    // more. Its strings need not last longer than this call of ours.
    bool (*next_offered)(void *userdata, size_t *position, Record *ret);
    // What has to be done before next_offered() may give something; NULL: it has said all that
    // there is.
    const char *(*offer_pending)(void *userdata);
    void *userdata;
} TrackerHooks;

int tracker_new(sd_event *event, Poller *poller, const TrackerHooks *hooks, Tracker **ret);
Tracker *tracker_free(Tracker *tracker); // says BYE if joined
DEFINE_CLEANUP_FUNC(Tracker, tracker_free)

// Where FT is (copied); host NULL: nowhere. A session is made anew only if something has changed.
// 0 or -ENOMEM.
int tracker_configure(Tracker *tracker, const char *host, uint16_t port, Dialect dialect);

// Where others reach this peer, for the records. An unspecified address: find one.
void tracker_set_listen(Tracker *tracker, const Endpoint *listen);

// What next_offered() says has changed. A session tells FT the difference; at once, or soon where
// it has done so just now.
void tracker_publish(Tracker *tracker);

void tracker_leave(Tracker *tracker);
void tracker_join(Tracker *tracker);

TrackerState tracker_state(const Tracker *tracker);
const char *tracker_reason(const Tracker *tracker); // why not joined; "" if it is
uint64_t tracker_since(const Tracker *tracker);     // of the state, µs since the epoch
// Where this peer is published to be; NULL while not joined.
const Endpoint *tracker_address(const Tracker *tracker);
// Whether FT could connect there.
Reachability tracker_reachability(const Tracker *tracker);
// Whether FT holds this very file of ours now.
bool tracker_has_published(const Tracker *tracker, const Record *record);
// Whether FT keeps no more files of this peer than it has, and how many that is.
bool tracker_is_full(const Tracker *tracker, size_t *ret_limit);
// How many files FT has now, and what there has been since the start.
size_t tracker_published(const Tracker *tracker);
uint64_t tracker_joins(const Tracker *tracker);
uint64_t tracker_searches(const Tracker *tracker);
// How FT was spoken to, and how peers that it names are: LINE and our own syntax, or RAW and the
// seed authors'.
Framing tracker_framing(const Tracker *tracker);

// A search. Called once: r = 0 and n >= 0 records (valid during the call; `text` of a record is
// borrowed), or -ETIMEDOUT, -ENOTCONN, -EBADMSG (a malformed answer), -ENOMEM.
typedef struct TrackerSearch TrackerSearch;
typedef void (*TrackerSearchHandler)(TrackerSearch *search, int r, const Record records[], size_t n,
                                     void *userdata);
// 0; -ENOTCONN: not joined and not about to; -EBUSY: too many at once.
int tracker_search(Tracker *tracker, const char *file_name, TrackerSearchHandler handler,
                   void *userdata, TrackerSearch **ret);
// A search by words, with the same results but for `matches`, NULL where r < 0, and valid during
// the call.
typedef struct TrackerMatches {
    FindSummary summary;
    const FoundFile *files;
    size_t n;
    bool whole_name; // this FT knows no words: it has looked for a file whose name is the text
} TrackerMatches;
typedef void (*TrackerFindHandler)(TrackerSearch *search, int r, const TrackerMatches *matches,
                                   void *userdata);
int tracker_find(Tracker *tracker, const FindRequest *request, TrackerFindHandler handler,
                 void *userdata, TrackerSearch **ret);

// Nobody waits for it any more; not from its own handler, after which it is gone.
TrackerSearch *tracker_search_free(TrackerSearch *search);
