// SPDX-License-Identifier: MIT

#include "ft/search-queue.h"

#include <assert.h>

#include "ft/session.h"

void search_queue_init(SearchQueue *queue, const Index *index) {
    *queue = (SearchQueue){.index = index, .results_max = RESULTS_MAX};
}

int search_queue_add(SearchQueue *queue, Session *session, const Message *message) {
    char *name = queue->names[queue->count];
    int r;

    assert(!search_queue_is_full(queue));
    r = message_search_name(message, name);
    if (r < 0)
        *name = '\0'; // matches nothing
    queue->queries[queue->count] = index_query(queue->index, name);
    queue->sessions[queue->count++] = session;
    return r;
}

void search_queue_run(SearchQueue *queue) {
    Record results[RESULTS_MAX];
    size_t max = MIN(queue->results_max, (size_t)RESULTS_MAX);

    index_prefetch(queue->index, queue->queries, queue->count);
    for (size_t i = 0; i < queue->count; i++)
        if (queue->sessions[i])
            session_answer(queue->sessions[i], results,
                           index_find(queue->index, &queue->queries[i], results, max));
    queue->count = 0;
}

void search_queue_forget(SearchQueue *queue, const Session *session) {
    for (size_t i = 0; i < queue->count; i++)
        if (queue->sessions[i] == session)
            queue->sessions[i] = NULL;
}
