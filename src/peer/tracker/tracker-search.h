// SPDX-License-Identifier: MIT
#pragma once

// The searches of a Tracker, in the order in which FT answers them. Internal to tracker-client.

#include "peer/tracker/tracker-client.h"

TAILQ_HEAD(TrackerSearchList, TrackerSearch);

// Whether FT can search by words (FIND). Until that is known, the peer sends a SEARCH right behind
// each FIND. The first answer shows which of the two FT understands.
typedef enum TrackerFinds {
    FINDS_UNKNOWN,
    FINDS_YES,
    FINDS_NO,
} TrackerFinds;

typedef struct TrackerSearchQueue {
    struct TrackerSearchList list;
    TrackerFinds finds; // in this session
    size_t count;
    // The timer of the first search: FT answers no other search before it.
    sd_event_source *timer;
    Tracker *tracker;
} TrackerSearchQueue;

int tracker_search_queue_init(TrackerSearchQueue *queue, sd_event *event, Tracker *tracker);
void tracker_search_queue_done(TrackerSearchQueue *queue);

int tracker_search_queue_add(TrackerSearchQueue *queue, const char *file_name,
                             TrackerSearchHandler handler, void *userdata, TrackerSearch **ret);
int tracker_search_queue_add_find(TrackerSearchQueue *queue, const FindRequest *request,
                                  TrackerFindHandler handler, void *userdata, TrackerSearch **ret);

// Writes the searches that may be sent now. If FT has shown that it is ours, it answers each one in
// order, so all are sent at once, with FIND. Otherwise one is sent at a time. 0 or -ENOMEM.
int tracker_search_queue_send(TrackerSearchQueue *queue, Buffer *out, Framing framing, bool ours);
// Takes FT's answer to the first search. False: no search was sent.
bool tracker_search_queue_answer(TrackerSearchQueue *queue, const Message *answer);
// Call it when the session has ended: sends the searches again in the next session.
void tracker_search_queue_rewind(TrackerSearchQueue *queue);
// Call it when no session will follow soon: fails the searches.
void tracker_search_queue_fail(TrackerSearchQueue *queue, int error);

// tracker-client.c: a search was not answered in time.
void tracker_search_timed_out(Tracker *tracker);
