// SPDX-License-Identifier: MIT

#include "peer/ft-search.h"

#include <string.h>

#include "proto/name.h"
#include "util/time-util.h"

enum {
    SEARCHES_MAX = 2048, // at once: each download has one
};

static const uint64_t SEARCH_USEC = 10 * USEC_PER_SEC;

struct FtSearch {
    TAILQ_ENTRY(FtSearch) link;
    FtSearchQueue *queue;
    FtSearchHandler handler; // NULL: nobody waits, but FT's answer has to be taken all the same
    void *userdata;
    uint64_t deadline;
    uint64_t sent_at; // CLOCK_MONOTONIC µs
    bool sent;
    char name[];
};

static void search_detach(FtSearch *search) {
    TAILQ_REMOVE(&search->queue->list, search, link);
    search->queue->count--;
}

// The handler may do anything to the queue, so the search is out of it by then.
static void search_finish(FtSearch *search, int r, const Record records[], size_t n) {
    search_detach(search);
    if (search->handler)
        search->handler(search, r, records, n, search->userdata);
    free(search);
}

static void arm_timer(FtSearchQueue *queue) {
    const FtSearch *first = TAILQ_FIRST(&queue->list);

    if (!first) {
        (void) sd_event_source_set_enabled(queue->timer, SD_EVENT_OFF);
        return;
    }
    (void) sd_event_source_set_time(queue->timer, first->deadline);
    (void) sd_event_source_set_enabled(queue->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    FtSearchQueue *queue = userdata;
    uint64_t now = time_monotonic();
    bool unanswered = false;
    FtSearch *search;

    while ((search = TAILQ_FIRST(&queue->list)) && search->deadline <= now) {
        // In RAW each waits for the one before: FT is at fault only if it had some time for this one.
        unanswered |= search->sent && now - search->sent_at >= SEARCH_USEC / 2;
        search_finish(search, -ETIMEDOUT, NULL, 0);
    }
    arm_timer(queue);
    if (unanswered)
        ft_client_search_timed_out(queue->client);
    return 0;
}

int ft_search_queue_init(FtSearchQueue *queue, sd_event *event, FtClient *client) {
    int r;

    *queue = (FtSearchQueue){.client = client};
    TAILQ_INIT(&queue->list);
    r = sd_event_add_time(event, &queue->timer, CLOCK_MONOTONIC, 0, 0, on_timer, queue);
    return r < 0 ? r : sd_event_source_set_enabled(queue->timer, SD_EVENT_OFF);
}

void ft_search_queue_done(FtSearchQueue *queue) {
    if (!queue->timer)
        return;
    ft_search_queue_fail(queue, -ENOTCONN);
    queue->timer = sd_event_source_disable_unref(queue->timer);
}

int ft_search_queue_add(FtSearchQueue *queue, const char *file_name, FtSearchHandler handler,
                        void *userdata, FtSearch **ret) {
    FtSearch *search;

    if (queue->count >= SEARCHES_MAX)
        return -EBUSY;
    search = calloc(1, sizeof(*search) + strlen(file_name) + 1);
    if (!search)
        return -ENOMEM;
    strcpy(search->name, file_name);
    search->queue = queue;
    search->handler = handler;
    search->userdata = userdata;
    search->deadline = time_monotonic() + SEARCH_USEC;
    TAILQ_INSERT_TAIL(&queue->list, search, link);
    queue->count++;
    arm_timer(queue);
    *ret = search;
    return 0;
}

FtSearch *ft_search_free(FtSearch *search) {
    if (!search)
        return NULL;
    search->handler = NULL;
    if (!search->sent) {
        search_detach(search);
        free(search);
    }
    return NULL;
}

int ft_search_queue_send(FtSearchQueue *queue, Buffer *out, Framing framing) {
    FtSearch *search;
    int r;

    TAILQ_FOREACH (search, &queue->list, link) {
        if (!search->sent) {
            r = message_put_search(out, framing, search->name);
            if (r < 0)
                return r;
            search->sent = true;
            search->sent_at = time_monotonic();
        }
        if (framing == FRAMING_RAW)
            break;
    }
    return 0;
}

bool ft_search_queue_answer(FtSearchQueue *queue, const Message *answer) {
    FtSearch *search = TAILQ_FIRST(&queue->list);
    RecordText texts[RESULTS_MAX];
    Record records[RESULTS_MAX];
    RecordList list;
    size_t n = 0, len;
    const char *text;

    if (!search || !search->sent)
        return false;
    if (answer->kind == MESSAGE_FOUND) {
        list = record_list(answer->argument, answer->argument_len);
        while (n < RESULTS_MAX && record_list_next(&list, &text, &len))
            // A record of something else would be downloaded under a name that nobody asked for.
            if (record_parse_found(text, len, search->name, &texts[n], &records[n]) >= 0 &&
                name_matches(records[n].name, records[n].type, search->name))
                n++;
    }
    search_finish(search, 0, records, n);
    arm_timer(queue);
    return true;
}

void ft_search_queue_rewind(FtSearchQueue *queue) {
    FtSearch *search, *next;

    TAILQ_FOREACH_SAFE(search, &queue->list, link, next) {
        search->sent = false;
        if (!search->handler) {
            search_detach(search);
            free(search);
        }
    }
    arm_timer(queue);
}

void ft_search_queue_fail(FtSearchQueue *queue, int error) {
    FtSearch *search;

    while ((search = TAILQ_FIRST(&queue->list)))
        search_finish(search, error, NULL, 0);
    arm_timer(queue);
}
