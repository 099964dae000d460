// SPDX-License-Identifier: MIT
#pragma once

// Searches that wait for each other, those of one connection and those of many: what came together is looked up
// together, so that they wait for memory together (index.h). They are answered in the order in which they came.

#include <stddef.h>

#include "ft/index.h"
#include "proto/message.h"

typedef struct Session Session;

typedef struct SearchQueue {
    const Index *index; // borrowed
    size_t results_max; // of a search
    size_t count;
    IndexQuery queries[INDEX_PREFETCH_MAX];
    Session *sessions[INDEX_PREFETCH_MAX]; // who asked; NULL: has left
    char names[INDEX_PREFETCH_MAX][NAME_BYTES_MAX + 1];
} SearchQueue;

void search_queue_init(SearchQueue *queue, const Index *index);

// Adds a SEARCH; 0, or -EBADMSG: no file can have such a name, so nothing will be found. There is room for one more
// after search_queue_run().
int search_queue_add(SearchQueue *queue, Session *session, const Message *message);

static inline bool search_queue_is_full(const SearchQueue *queue) {
    return queue->count == INDEX_PREFETCH_MAX;
}

// Answers all of them (session_answer()). Needed before anything else is answered to one of the sessions.
void search_queue_run(SearchQueue *queue);

// The session goes.
void search_queue_forget(SearchQueue *queue, const Session *session);
