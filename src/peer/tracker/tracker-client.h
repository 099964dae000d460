// SPDX-License-Identifier: MIT
#pragma once

// The peer's session with FT: it joins, publishes, searches and leaves. After FT was away, it joins
// again by itself.
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
    DIALECT_AUTO, // first LINE, then RAW if FT does not answer
    DIALECT_LINE,
    DIALECT_RAW,
} Dialect;

typedef enum TrackerState {
    // No FT is configured, or the peer shares nothing: FT would not accept it.
    TRACKER_IDLE,
    // The peer is still reading or hashing its shares, so it cannot publish yet.
    TRACKER_READING,
    TRACKER_WAITING, // the last attempt failed; another one follows
    TRACKER_RESOLVING,
    TRACKER_CONNECTING,
    TRACKER_GREETING, // HELLO was sent; HI has not come yet
    // Records with roots were sent; FT has not confirmed yet that it understands roots.
    TRACKER_TELLING,
    TRACKER_JOINED,
    TRACKER_LEFT, // the user asked to leave
} TrackerState;

// The name that D-Bus uses; all steps of joining have the same name.
const char *tracker_state_name(TrackerState state);

typedef struct TrackerHooks {
    // The state, the reason, the address or the published files changed.
    void (*on_state)(void *userdata);
    // Gets the next record to publish, at or after *position, and moves *position behind it; it
    // starts at 0. The order is that of importance, because FT may not keep all records. False:
    // there are no more. The tracker does not use the strings after its own current call.
    bool (*next_offered)(void *userdata, size_t *position, Record *ret);
    // Says which work must finish before next_offered() can give more, as text for people. NULL: it
    // has given all there is.
    const char *(*offer_pending)(void *userdata);
    void *userdata;
} TrackerHooks;

int tracker_new(sd_event *event, Poller *poller, const TrackerHooks *hooks, Tracker **ret);
Tracker *tracker_free(Tracker *tracker); // says BYE to FT if joined
DEFINE_CLEANUP_FUNC(Tracker, tracker_free)

// Sets the address of FT; `host` is copied, NULL: there is no FT. Starts a new session only if
// something changed. 0 or -ENOMEM.
int tracker_configure(Tracker *tracker, const char *host, uint16_t port, Dialect dialect);

// Sets the endpoint at which others reach this peer; it goes into the records. If the address is
// unspecified, the tracker finds one.
void tracker_set_listen(Tracker *tracker, const Endpoint *listen);

// Call it when the records of next_offered() changed. The tracker tells FT the difference: at once,
// or a little later if it has just told FT something.
void tracker_publish(Tracker *tracker);

void tracker_leave(Tracker *tracker);
void tracker_join(Tracker *tracker);

TrackerState tracker_state(const Tracker *tracker);
const char *tracker_reason(const Tracker *tracker); // why it is not joined; "": it is joined
uint64_t tracker_since(const Tracker *tracker);     // when the state began, µs since the epoch
// The endpoint published for this peer; NULL while not joined.
const Endpoint *tracker_address(const Tracker *tracker);
// Whether FT could connect to that endpoint.
Reachability tracker_reachability(const Tracker *tracker);
// Whether FT currently holds exactly this file of this peer.
bool tracker_has_published(const Tracker *tracker, const Record *record);
// Whether FT refuses more files from this peer, and how many it keeps.
bool tracker_is_full(const Tracker *tracker, size_t *ret_limit);
// The number of files that FT holds now, and the number of joins and searches since the start.
size_t tracker_published(const Tracker *tracker);
uint64_t tracker_joins(const Tracker *tracker);
uint64_t tracker_searches(const Tracker *tracker);
// The framing of this session, and of connections to the peers that FT names. LINE comes with our
// own record syntax, RAW with that of the seed authors.
Framing tracker_framing(const Tracker *tracker);

// A search. The handler is called once. r = 0: n >= 0 records, valid during the call (the `text` of
// a record is borrowed). r < 0: -ETIMEDOUT, -ENOTCONN, -ENOMEM or -EBADMSG: an answer
// that is malformed.
typedef struct TrackerSearch TrackerSearch;
typedef void (*TrackerSearchHandler)(TrackerSearch *search, int r, const Record records[], size_t n,
                                     void *userdata);
// 0; -ENOTCONN: neither joined nor joining; -EBUSY: too many searches at once.
int tracker_search(Tracker *tracker, const char *file_name, TrackerSearchHandler handler,
                   void *userdata, TrackerSearch **ret);
// A search by words. The results are those of tracker_search(), except that the handler gets
// `matches`. They are NULL if r < 0, and valid during the call.
typedef struct TrackerMatches {
    FindSummary summary;
    const FoundFile *files;
    size_t n;
    // This FT cannot search by words, so it searched for a file with the text as its name.
    bool whole_name;
} TrackerMatches;
typedef void (*TrackerFindHandler)(TrackerSearch *search, int r, const TrackerMatches *matches,
                                   void *userdata);
int tracker_find(Tracker *tracker, const FindRequest *request, TrackerFindHandler handler,
                 void *userdata, TrackerSearch **ret);

// Cancels the search. Do not call it from the search's own handler: the search is freed when the
// handler returns.
TrackerSearch *tracker_search_free(TrackerSearch *search);
