// SPDX-License-Identifier: MIT
#pragma once

// Shared by tracker-client.c, which joins and rejoins, and tracker-session.c, which talks to a
// connected FT.

#include "net/stream.h"
#include "peer/tracker/resolver.h"
#include "peer/tracker/tracker-client.h"
#include "peer/tracker/tracker-publish.h"
#include "peer/tracker/tracker-search.h"
#include "util/log.h"
#include "util/macro.h"

// The ways to talk to FT, the best one first.
typedef enum TrackerWay {
    WAY_ROOTED, // LINE; records carry roots
    WAY_PLAIN,  // LINE
    WAY_RAW,
} TrackerWay;

struct Tracker {
    sd_event *event;
    Poller *poller;
    TrackerHooks hooks;

    char *host; // NULL: no FT is configured
    uint16_t port;
    Dialect dialect;
    Endpoint listen;

    TrackerState state;
    bool left;
    char reason[256];
    LogLimit joined_log, lost_log; // limits: FT may close as often as it likes
    uint64_t since;

    Work *resolve;
    Endpoint endpoints[RESOLVE_MAX];
    size_t endpoint_count, endpoint_next;
    Stream stream;
    Framer framer;
    TrackerWay way;
    bool knows_roots;        // FT answered KEPT in this session
    bool was_ours;           // the last session was with our own kind of FT
    bool quiet;              // RAW: the silence after a message has passed
    bool settled;            // RAW: the silence after our records has passed
    bool served;             // FT answered a search in this session
    size_t logged;           // number of files in the last log message
    uint64_t joined_at;      // CLOCK_MONOTONIC µs
    uint64_t greet_deadline; // HI must arrive by then, CLOCK_MONOTONIC µs
    // This peer's endpoint: first as in its records, later as FT says it publishes it.
    Endpoint address;
    Reachability reachability;
    unsigned asked_reachable; // how many questions FT has not answered
    sd_event_source *retry;
    unsigned failures;
    uint64_t joins, searches_begun;
    unsigned lesser_joins; // joins in a row that did not use the best way
    TrackerSearchQueue searches;
    TrackerPublisher publisher;
    sd_event_source *publish; // timer: the offer changed
    uint64_t published_at;    // CLOCK_MONOTONIC µs
};

enum {
    TRACKER_TEXT_MAX = 256 + sizeof("[]:65535"),
};

// tracker-client.c
// HOST:PORT for the log, written to `text`, which is returned.
const char *tracker_name(const Tracker *tracker, char text[static TRACKER_TEXT_MAX]);
void tracker_set_state(Tracker *tracker, TrackerState state, const char *format, ...)
    _printf_(3, 4);
void tracker_joined(Tracker *tracker);        // the state has just become TRACKER_JOINED
void tracker_lost(Stream *stream, int error); // an attempt failed, or a session ended

// tracker-session.c
extern const StreamOps tracker_session_ops;
// Writes the next batch of what FT has not been told yet. The caller flushes. 0 or -errno.
int tracker_session_tell(Tracker *tracker);
// Asks whether FT can connect to this peer, if FT knows that question. The caller flushes. 0 or
// -ENOMEM.
int tracker_session_ask_reachable(Tracker *tracker);
// Sends the searches that may be sent now. The caller flushes. 0 or -ENOMEM.
int tracker_session_search(Tracker *tracker);
