// SPDX-License-Identifier: MIT
#pragma once

// What tracker-client.c (joining, coming back) and tracker-session.c (what is said to an FT that is
// connected) share.

#include "net/stream.h"
#include "peer/tracker/resolver.h"
#include "peer/tracker/tracker-client.h"
#include "peer/tracker/tracker-publish.h"
#include "peer/tracker/tracker-search.h"
#include "util/log.h"
#include "util/macro.h"

// How FT is spoken to, the best first.
typedef enum TrackerWay {
    WAY_ROOTED, // LINE; records carry roots
    WAY_PLAIN,  // LINE
    WAY_RAW,
} TrackerWay;

struct Tracker {
    sd_event *event;
    Poller *poller;
    TrackerHooks hooks;

    char *host; // NULL: none
    uint16_t port;
    Dialect dialect;
    Endpoint listen;

    TrackerState state;
    bool left;
    char reason[256];
    LogLimit joined_log, lost_log; // FT may close as often as it likes
    uint64_t since;

    Work *resolve;
    Endpoint endpoints[RESOLVE_MAX];
    size_t endpoint_count, endpoint_next;
    Stream stream;
    Framer framer;
    TrackerWay way;
    bool knows_roots;        // FT has said KEPT in this session
    bool was_ours;           // the last session was one with our own kind of FT
    bool quiet;              // RAW: the silence that ends a message has passed
    bool settled;            // RAW: the silence that ends our records has passed
    bool served;             // FT has answered a search in this session
    size_t logged;           // files that FT has, as the log has said it last
    uint64_t joined_at;      // CLOCK_MONOTONIC µs
    uint64_t greet_deadline; // HI must have come by then, the same
    Endpoint address; // of this peer: in its records, and then as FT says that it publishes it
    Reachability reachability;
    unsigned asked_reachable; // times that FT has not answered
    sd_event_source *retry;
    unsigned failures;
    uint64_t joins, searches_begun;
    unsigned lesser_joins; // in a row, that were not in the best way
    TrackerSearchQueue searches;
    TrackerPublisher publisher;
    sd_event_source *publish; // the offer has changed
    uint64_t published_at;    // CLOCK_MONOTONIC µs
};

enum {
    TRACKER_TEXT_MAX = 256 + sizeof("[]:65535"),
};

// tracker-client.c
// HOST:PORT, as it is named in the log.
const char *tracker_name(const Tracker *tracker, char text[static TRACKER_TEXT_MAX]);
void tracker_set_state(Tracker *tracker, TrackerState state, const char *format, ...)
    _printf_(3, 4);
void tracker_joined(Tracker *tracker);        // TRACKER_JOINED has just begun
void tracker_lost(Stream *stream, int error); // an attempt has failed, or a session has ended

// tracker-session.c
extern const StreamOps tracker_session_ops;
// Tells FT what it does not know yet, as much as it takes at once. To be flushed. 0 or -errno.
int tracker_session_tell(Tracker *tracker);
// Asks whether FT can connect to this peer, if it knows the question. To be flushed. 0 or -ENOMEM.
int tracker_session_ask_reachable(Tracker *tracker);
// Asks what may be asked now. To be flushed. 0 or -ENOMEM.
int tracker_session_search(Tracker *tracker);
