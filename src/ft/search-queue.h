// SPDX-License-Identifier: MIT
#pragma once

// Searches that arrived together, from one session or many. Looking them up together lets them wait
// for memory at the same time (index.h). FT answers them in the order in which they arrived.

#include <stddef.h>

#include "ft/index.h"
#include "proto/message.h"

typedef struct Session Session;

typedef struct SearchQueue {
    const Index *index; // borrowed
    size_t results_max; // of a search
    size_t count;
    IndexQuery queries[INDEX_PREFETCH_MAX];
    Session *sessions[INDEX_PREFETCH_MAX]; // the session that asked; NULL: it is gone
    char names[INDEX_PREFETCH_MAX][NAME_BYTES_MAX + 1];
} SearchQueue;

void search_queue_init(SearchQueue *queue, const Index *index);

// Adds a SEARCH. 0, or -EBADMSG: no file can have such a name, so the answer will be empty. There
// is always room for one after search_queue_run().
int search_queue_add(SearchQueue *queue, Session *session, const Message *message);

static inline bool search_queue_is_full(const SearchQueue *queue) {
    return queue->count == INDEX_PREFETCH_MAX;
}

// Answers all of them (session_answer()). Call it before writing anything else to one of the
// sessions.
void search_queue_run(SearchQueue *queue);

// Drops the searches of a session that ends.
void search_queue_forget(SearchQueue *queue, const Session *session);
