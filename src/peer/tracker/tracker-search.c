// SPDX-License-Identifier: MIT

#include "peer/tracker/tracker-search.h"

#include <string.h>

#include "proto/name.h"
#include "util/time-util.h"

enum {
    SEARCHES_MAX = 2048, // at once: each download may have one
};

static const uint64_t SEARCH_USEC = 10 * USEC_PER_SEC;
// FT gets this long to answer, however late a search was sent. A search may have to wait for a
// session, or for the searches before it.
static const uint64_t ANSWER_USEC = 5 * USEC_PER_SEC;
// The total limit for a search, however often the session ends.
static const uint64_t SEARCH_USEC_MAX = 20 * USEC_PER_SEC;

struct TrackerSearch {
    TAILQ_ENTRY(TrackerSearch) link;
    TrackerSearchQueue *queue;
    // Both NULL: the search was cancelled, but FT's answer must still be taken.
    TrackerSearchHandler handler;
    TrackerFindHandler find_handler;
    FindRequest *find;    // NULL: not a search by words
    TrackerFinds sent_as; // by words: sent as FIND, SEARCH or (unknown) both
    void *userdata;
    uint64_t begun, deadline; // CLOCK_MONOTONIC µs
    bool sent;
    char name[];
};

static void tracker_search_drop(TrackerSearch *search) {
    TAILQ_REMOVE(&search->queue->list, search, link);
    search->queue->count--;
    free(search->find);
    free(search);
}

static bool tracker_search_is_awaited(const TrackerSearch *search) {
    return search->handler || search->find_handler;
}

// Takes the search out of the queue before the handler runs, because the handler may change the
// queue.
static void tracker_search_detach(TrackerSearch *search) {
    TAILQ_REMOVE(&search->queue->list, search, link);
    search->queue->count--;
}

static void tracker_search_fail(TrackerSearch *search, int r) {
    tracker_search_detach(search);
    if (search->handler)
        search->handler(search, r, NULL, 0, search->userdata);
    else if (search->find_handler)
        search->find_handler(search, r, NULL, search->userdata);
    free(search->find);
    free(search);
}

static void tracker_search_arm_timer(TrackerSearchQueue *queue) {
    const TrackerSearch *first = TAILQ_FIRST(&queue->list);

    if (!first) {
        (void)sd_event_source_set_enabled(queue->timer, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(queue->timer, first->deadline);
    (void)sd_event_source_set_enabled(queue->timer, SD_EVENT_ONESHOT);
}

static int tracker_search_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                   void *userdata) {
    TrackerSearchQueue *queue = userdata;
    uint64_t now = time_monotonic();
    bool unanswered = false;
    TrackerSearch *search;

    while ((search = TAILQ_FIRST(&queue->list)) && search->deadline <= now) {
        // A timeout ends the session: a late answer would be taken for the answer to another
        // search.
        unanswered |= search->sent;
        tracker_search_fail(search, -ETIMEDOUT);
    }
    tracker_search_arm_timer(queue);
    if (unanswered)
        tracker_search_timed_out(queue->tracker);
    return 0;
}

int tracker_search_queue_init(TrackerSearchQueue *queue, sd_event *event, Tracker *tracker) {
    int r;

    *queue = (TrackerSearchQueue){.tracker = tracker};
    TAILQ_INIT(&queue->list);
    r = sd_event_add_time(event, &queue->timer, CLOCK_MONOTONIC, 0, 0, tracker_search_on_timer,
                          queue);
    return r < 0 ? r : sd_event_source_set_enabled(queue->timer, SD_EVENT_OFF);
}

void tracker_search_queue_done(TrackerSearchQueue *queue) {
    if (!queue->timer)
        return;
    tracker_search_queue_fail(queue, -ENOTCONN);
    queue->timer = sd_event_source_disable_unref(queue->timer);
}

static int tracker_search_add(TrackerSearchQueue *queue, const char *text, TrackerSearch **ret) {
    TrackerSearch *search;

    if (queue->count >= SEARCHES_MAX)
        return -EBUSY;
    search = calloc(1, sizeof(*search) + strlen(text) + 1);
    if (!search)
        return -ENOMEM;
    strcpy(search->name, text);
    search->queue = queue;
    search->begun = time_monotonic();
    search->deadline = search->begun + SEARCH_USEC;
    TAILQ_INSERT_TAIL(&queue->list, search, link);
    queue->count++;
    tracker_search_arm_timer(queue);
    *ret = search;
    return 0;
}

int tracker_search_queue_add(TrackerSearchQueue *queue, const char *file_name,
                             TrackerSearchHandler handler, void *userdata, TrackerSearch **ret) {
    int r = tracker_search_add(queue, file_name, ret);

    if (r < 0)
        return r;
    (*ret)->handler = handler;
    (*ret)->userdata = userdata;
    return 0;
}

int tracker_search_queue_add_find(TrackerSearchQueue *queue, const FindRequest *request,
                                  TrackerFindHandler handler, void *userdata, TrackerSearch **ret) {
    _cleanup_free_ FindRequest *copy = malloc(sizeof(*copy));
    int r;

    if (!copy)
        return -ENOMEM;
    *copy = *request;
    r = tracker_search_add(queue, request->text, ret);
    if (r < 0)
        return r;
    (*ret)->find = TAKE_PTR(copy);
    (*ret)->find_handler = handler;
    (*ret)->userdata = userdata;
    return 0;
}

TrackerSearch *tracker_search_free(TrackerSearch *search) {
    if (!search)
        return NULL;
    search->handler = NULL;
    search->find_handler = NULL;
    if (!search->sent)
        tracker_search_drop(search);
    return NULL;
}

static int tracker_search_send_one(TrackerSearch *search, Buffer *out, Framing framing, bool ours) {
    int r = 0;

    if (search->find) {
        search->sent_as = ours && framing == FRAMING_LINE ? search->queue->finds : FINDS_NO;
        if (search->sent_as != FINDS_NO)
            r = find_put(out, search->find);
    }
    if (r >= 0 && (!search->find || search->sent_as != FINDS_YES))
        // Send "-" for a text that cannot be a file name: FT would count such a name as a refusal.
        r = message_put_search(
            out, framing, name_is_valid(search->name, strlen(search->name)) ? search->name : "-");
    if (r < 0)
        return r;
    search->sent = true;
    search->deadline =
        MAX(search->deadline, MIN(time_monotonic() + ANSWER_USEC, search->begun + SEARCH_USEC_MAX));
    return 0;
}

int tracker_search_queue_send(TrackerSearchQueue *queue, Buffer *out, Framing framing, bool ours) {
    TrackerSearch *search;
    int r;

    TAILQ_FOREACH (search, &queue->list, link) {
        r = search->sent ? 0 : tracker_search_send_one(search, out, framing, ours);
        if (r < 0)
            return r;
        // Our own FT answers each search in order. Another FT may not, and FOUND does not name its
        // search.
        if (framing == FRAMING_RAW || !ours)
            break;
    }
    tracker_search_arm_timer(queue);
    return 0;
}

// Parses FT's answer to a SEARCH.
static size_t tracker_search_parse_found(const TrackerSearch *search, const Message *answer,
                                         RecordText texts[static RESULTS_MAX],
                                         Record records[static RESULTS_MAX]) {
    RecordList list;
    size_t n = 0, len;
    const char *text;

    if (answer->kind != MESSAGE_FOUND)
        return 0;
    list = record_list(answer->argument, answer->argument_len);
    while (n < RESULTS_MAX && record_list_next(&list, &text, &len))
        // Skip records of other files: the peer would download them under the name that was asked
        // for.
        if (record_parse_found(text, len, search->name, &texts[n], &records[n]) >= 0 &&
            name_matches(records[n].name, records[n].type, search->name))
            n++;
    return n;
}

// Ends a search by words at an FT that cannot do it, and that was asked for a name instead.
static void tracker_search_finish_whole_name(TrackerSearch *search, const Record records[],
                                             size_t n) {
    FoundFile files[RESULTS_MAX];
    TrackerMatches matches = {.files = files, .whole_name = true};

    if (!search->find_handler)
        return;
    matches.n = find_among_records(search->find, records, n, files, &matches.summary);
    search->find_handler(search, 0, &matches, search->userdata);
}

static bool tracker_search_take_matches(TrackerSearch *search, const Message *answer) {
    TrackerFindHandler handler = search->find_handler;
    TrackerSearchQueue *queue = search->queue;
    const bool done = search->sent_as == FINDS_YES;
    FoundFiles found = {};
    TrackerMatches matches;
    _cleanup_free_ FoundFile *files = NULL;
    int r;

    if (!search->find || search->sent_as == FINDS_NO)
        return false; // no FIND was sent for this search
    queue->finds = FINDS_YES;
    r = matches_parse(answer, &found);
    files = calloc(MAX(found.n, (size_t)1), sizeof(*files));
    if (r >= 0 && !files)
        r = -ENOMEM;
    for (size_t i = 0; r >= 0 && i < found.n; i++)
        files[i] = found.entries[i].file;
    matches = (TrackerMatches){.summary = found.summary, .files = files, .n = found.n};
    if (done)
        tracker_search_detach(search);
    else // the answer to the SEARCH is still due
        search->find_handler = NULL;
    if (handler)
        handler(search, r, r >= 0 ? &matches : NULL, search->userdata);
    if (done) {
        free(search->find);
        free(search);
    }
    found_files_clear(&found);
    tracker_search_arm_timer(queue);
    return true;
}

// FT was restarted as a version without FIND, and did not answer any FIND. Moves these searches
// behind the others, to be sent as SEARCH. Returns the first search that this answer may belong to.
static TrackerSearch *tracker_search_pass_over_finds(TrackerSearchQueue *queue) {
    TrackerSearch *search, *next;

    search = TAILQ_FIRST(&queue->list);
    if (!search || !search->sent || search->sent_as != FINDS_YES)
        return search;
    queue->finds = FINDS_NO;
    TAILQ_FOREACH_SAFE (search, &queue->list, link, next) {
        if (!search->sent || search->sent_as != FINDS_YES)
            continue;
        search->sent = false;
        if (!tracker_search_is_awaited(search)) {
            tracker_search_drop(search);
            continue;
        }
        TAILQ_REMOVE(&queue->list, search, link);
        TAILQ_INSERT_TAIL(&queue->list, search, link);
    }
    TAILQ_FOREACH (search, &queue->list, link)
        if (search->sent)
            break;
    return search;
}

bool tracker_search_queue_answer(TrackerSearchQueue *queue, const Message *answer) {
    TrackerSearch *search = TAILQ_FIRST(&queue->list);
    RecordText texts[RESULTS_MAX];
    Record records[RESULTS_MAX];
    size_t n;

    if (!search || !search->sent)
        return false;
    if (answer->kind == MESSAGE_MATCHES)
        return tracker_search_take_matches(search, answer);
    search = tracker_search_pass_over_finds(queue);
    if (!search)
        return true; // the answer to a search that is no longer queued
    if (search->find && search->find_handler && search->sent_as == FINDS_UNKNOWN)
        queue->finds = FINDS_NO; // the answer to FIND should have come first
    n = tracker_search_parse_found(search, answer, texts, records);
    tracker_search_detach(search);
    if (search->handler)
        search->handler(search, 0, records, n, search->userdata);
    else if (search->find)
        tracker_search_finish_whole_name(search, records, n);
    free(search->find);
    free(search);
    tracker_search_arm_timer(queue);
    return true;
}

void tracker_search_queue_rewind(TrackerSearchQueue *queue) {
    TrackerSearch *search, *next;

    queue->finds = FINDS_UNKNOWN;
    TAILQ_FOREACH_SAFE (search, &queue->list, link, next) {
        search->sent = false;
        if (!tracker_search_is_awaited(search))
            tracker_search_drop(search);
    }
    tracker_search_arm_timer(queue);
}

void tracker_search_queue_fail(TrackerSearchQueue *queue, int error) {
    TrackerSearch *search;

    queue->finds = FINDS_UNKNOWN;
    while ((search = TAILQ_FIRST(&queue->list)))
        tracker_search_fail(search, error);
    tracker_search_arm_timer(queue);
}
