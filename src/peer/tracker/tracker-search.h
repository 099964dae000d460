// SPDX-License-Identifier: MIT
#pragma once

// The searches of a Tracker, in the order in which FT answers them. Internal to tracker-client.

#include "peer/tracker/tracker-client.h"

TAILQ_HEAD(TrackerSearchList, TrackerSearch);

// Whether FT knows words. Until that is known, the question in the old way goes right behind each
// FIND: the first answer shows it.
typedef enum TrackerFinds {
    FINDS_UNKNOWN,
    FINDS_YES,
    FINDS_NO,
} TrackerFinds;

typedef struct TrackerSearchQueue {
    struct TrackerSearchList list;
    TrackerFinds finds; // in this session
    size_t count;
    sd_event_source *timer; // for the first one: nothing is answered before it
    Tracker *tracker;
} TrackerSearchQueue;

int tracker_search_queue_init(TrackerSearchQueue *queue, sd_event *event, Tracker *tracker);
void tracker_search_queue_done(TrackerSearchQueue *queue);

int tracker_search_queue_add(TrackerSearchQueue *queue, const char *file_name,
                             TrackerSearchHandler handler, void *userdata, TrackerSearch **ret);
int tracker_search_queue_add_find(TrackerSearchQueue *queue, const FindRequest *request,
                                  TrackerFindHandler handler, void *userdata, TrackerSearch **ret);

// Writes what may be asked now: everything at once, and FIND, if FT has shown that it is one of
// ours, which answers each question, in their order; else one at a time. 0 or -ENOMEM.
int tracker_search_queue_send(TrackerSearchQueue *queue, Buffer *out, Framing framing, bool ours);
// Takes FT's answer to the first one. False: nothing was asked.
bool tracker_search_queue_answer(TrackerSearchQueue *queue, const Message *answer);
// The session is gone: ask again in the next one.
void tracker_search_queue_rewind(TrackerSearchQueue *queue);
// There will be no next one soon.
void tracker_search_queue_fail(TrackerSearchQueue *queue, int error);

// tracker-client.c: a search was not answered in time.
void tracker_search_timed_out(Tracker *tracker);
