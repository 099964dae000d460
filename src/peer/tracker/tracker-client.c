// SPDX-License-Identifier: MIT

#include "peer/tracker/tracker-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "proto/message.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"

enum {
    // Room for the maximum number of searches and one batch of records.
    OUT_BYTES_MAX = 256 * 1024,
    RETRY_DOUBLINGS_MAX = 6, // 0.5 s … 32 s
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
// Publish at most once in this time: while files are copied into a directory, it changes a hundred
// times a second.
static const uint64_t PUBLISH_USEC = USEC_PER_SEC / 2;
// If the session does not use the best way, try that way again after this time, then at longer
// intervals.
static const uint64_t BETTER_WAY_USEC = 60 * USEC_PER_SEC;
static const uint64_t RETRY_MIN_USEC = USEC_PER_SEC / 2;
// A session that lasted this long, or answered a search, was a good one: join again at once. An FT
// that crashes may crash repeatedly, and its peers are all it has after a restart.
static const uint64_t GOOD_SESSION_USEC = USEC_PER_SEC;
// After a session that lasted this long, another FT program may be running there.
static const uint64_t LONG_SESSION_USEC = 10 * USEC_PER_SEC;

static void tracker_start(Tracker *tracker);
static void tracker_connect_next(Tracker *tracker);

static const char *const state_names[] = {
    [TRACKER_IDLE] = "idle",
    [TRACKER_READING] = "connecting",
    [TRACKER_WAITING] = "waiting",
    [TRACKER_RESOLVING] = "connecting",
    [TRACKER_CONNECTING] = "connecting",
    [TRACKER_GREETING] = "connecting",
    [TRACKER_TELLING] = "connecting",
    [TRACKER_JOINED] = "joined",
    [TRACKER_LEFT] = "left",
};

const char *tracker_state_name(TrackerState state) {
    return state_names[state];
}

static bool tracker_is_trying(TrackerState state) {
    return state == TRACKER_READING || state == TRACKER_WAITING || state == TRACKER_RESOLVING ||
           state == TRACKER_CONNECTING || state == TRACKER_GREETING || state == TRACKER_TELLING;
}

void tracker_set_state(Tracker *tracker, TrackerState state, const char *format, ...) {
    bool still_trying = tracker_is_trying(tracker->state) && tracker_is_trying(state);
    va_list ap;

    va_start(ap, format);
    vsnprintf(tracker->reason, sizeof(tracker->reason), format, ap);
    va_end(ap);
    tracker->state = state;
    if (!still_trying)
        tracker->since = (uint64_t)time(NULL) * USEC_PER_SEC;
    if (tracker->hooks.on_state)
        tracker->hooks.on_state(tracker->hooks.userdata);
}

static bool tracker_is_joining(const Tracker *tracker) {
    return tracker->state == TRACKER_RESOLVING || tracker->state == TRACKER_CONNECTING ||
           tracker->state == TRACKER_GREETING || tracker->state == TRACKER_TELLING;
}

// Whether FT may hold records of this peer.
static bool tracker_in_session(const Tracker *tracker) {
    return tracker->state == TRACKER_TELLING || tracker->state == TRACKER_JOINED;
}

static void tracker_disconnect(Tracker *tracker) {
    tracker->resolve = work_free(tracker->resolve);
    stream_close(&tracker->stream);
    (void)sd_event_source_set_enabled(tracker->retry, SD_EVENT_OFF);
    tracker_publisher_end(&tracker->publisher);
    tracker_search_queue_rewind(&tracker->searches);
}

// Says BYE if there is a session. Does not wait for it to arrive: FT forgets the peer when the
// connection closes anyway.
static void tracker_say_bye(Tracker *tracker) {
    if (!tracker_in_session(tracker))
        return;
    (void)message_put_word(stream_out(&tracker->stream), tracker->framer.framing, WORD_BYE);
    (void)stream_flush(&tracker->stream);
}

const char *tracker_name(const Tracker *tracker, char text[static TRACKER_TEXT_MAX]) {
    bool brackets = strchr(tracker->host, ':');

    snprintf(text, TRACKER_TEXT_MAX, "%s%s%s:%u", brackets ? "[" : "", tracker->host,
             brackets ? "]" : "", tracker->port);
    return text;
}

// Starts the retry timer. The delay doubles with each failed attempt.
static void tracker_start_retry(Tracker *tracker, uint64_t first, unsigned times) {
    uint64_t delay = first << MIN(times, (unsigned)RETRY_DOUBLINGS_MAX);
    uint16_t random = 0;

    // Vary the delay by a quarter either way, so that all peers of a lab do not return in the same
    // instant after FT was lost.
    (void)getrandom(&random, sizeof(random), 0);
    (void)sd_event_source_set_time_relative(tracker->retry,
                                            delay * 3 / 4 + delay / 2 * random / UINT16_MAX);
    (void)sd_event_source_set_enabled(tracker->retry, SD_EVENT_ONESHOT);
}

static void tracker_wait_and_retry(Tracker *tracker, const char *why) {
    char ft[TRACKER_TEXT_MAX];

    if (tracker->failures == 0)
        log_event(LOG_WARNING,
                  &(LogFields){.id = EVENT_NOT_JOINED, .peer = tracker_name(tracker, ft)},
                  "Not joined to %s: %s; trying again", ft, why);
    tracker_start_retry(tracker, RETRY_MIN_USEC, tracker->failures);
    tracker->failures++;
    tracker_set_state(tracker, TRACKER_WAITING, "%s", why);
    tracker_search_queue_fail(&tracker->searches, -ENOTCONN);
}

static void tracker_start_anew(Tracker *tracker) {
    tracker->way = tracker->dialect == DIALECT_RAW ? WAY_RAW : WAY_ROOTED;
    tracker_start(tracker);
}

// The timer fires: the peer is not joined, or not in the best way.
static int tracker_on_retry_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                  void *userdata) {
    Tracker *tracker = userdata;

    tracker_say_bye(tracker);
    tracker_start_anew(tracker);
    return 0;
}

void tracker_joined(Tracker *tracker) {
    tracker->joins++;
    if (tracker->way == WAY_ROOTED || tracker->dialect == DIALECT_RAW) {
        tracker->lesser_joins = 0;
        return;
    }
    // This may be our own kind of FT that was too busy to answer in time. Try again, because
    // without roots the peer cannot verify downloads.
    tracker_start_retry(tracker, BETTER_WAY_USEC, tracker->lesser_joins);
    tracker->lesser_joins++;
}

// Connects to the same endpoint again, in another way.
static void tracker_connect_again(Tracker *tracker, TrackerWay way) {
    tracker->way = way;
    tracker->endpoint_next--;
    tracker_connect_next(tracker);
}

// Joins again after a good session.
static void tracker_come_back(Tracker *tracker, bool long_enough) {
    tracker->failures = 0;
    // If FT closes after each answer, talk to it in the same way again: probing for a better way
    // takes seconds.
    if (long_enough)
        tracker_start_anew(tracker);
    else
        tracker_start(tracker);
}

// Handles a failed attempt, or the end of a session.
static void tracker_handle_loss(Tracker *tracker, int error) {
    const char *why = error == 0 || error == -ESHUTDOWN
                          ? "the FileTracker has closed the connection"
                      : error == -ETIMEDOUT ? "the FileTracker does not answer"
                      : error == -EPROTO    ? "the FileTracker does not speak the protocol"
                                            : strerror(-error);
    char ft[TRACKER_TEXT_MAX];
    bool was_joined = tracker->state == TRACKER_JOINED,
         was_greeting = tracker->state == TRACKER_GREETING;
    bool was_telling = tracker->state == TRACKER_TELLING;
    bool line = tracker->framer.framing == FRAMING_LINE;
    bool roots_at_fault = tracker->publisher.rooted && !tracker->knows_roots && !tracker->was_ours;
    uint64_t lasted = time_monotonic() - tracker->joined_at;

    if (was_joined)
        tracker->was_ours = tracker->knows_roots;
    else if (was_greeting || was_telling)
        tracker->was_ours = false; // only one attempt gets the benefit of the doubt
    tracker_disconnect(tracker);
    if (roots_at_fault) {
        log_info("The FileTracker does not know records with roots: joining without");
        tracker_connect_again(tracker, WAY_PLAIN);
        return;
    }
    if (was_joined) {
        log_limited(&tracker->lost_log, LOG_NOTICE,
                    &(LogFields){.id = EVENT_LOST, .peer = tracker_name(tracker, ft)},
                    "The session with the FileTracker has ended: %s", why);
        if (tracker->served || lasted >= GOOD_SESSION_USEC) {
            tracker_come_back(tracker, lasted >= LONG_SESSION_USEC);
            return;
        }
    } else if (was_greeting && line && tracker->dialect == DIALECT_AUTO) {
        // FT is there, but did not understand LINE: it may only know RAW.
        tracker_connect_again(tracker, WAY_RAW);
        return;
    } else if (tracker->endpoint_next < tracker->endpoint_count) {
        tracker_connect_next(tracker);
        return;
    }
    tracker_wait_and_retry(tracker, why);
}

void tracker_lost(Stream *stream, int error) {
    tracker_handle_loss(container_of(stream, Tracker, stream), error);
}

static void tracker_connect_next(Tracker *tracker) {
    int r = -EHOSTUNREACH;

    while (tracker->endpoint_next < tracker->endpoint_count) {
        const Endpoint *endpoint = &tracker->endpoints[tracker->endpoint_next++];

        tracker->framer = (Framer){
            .source = FRAME_FROM_FT,
            .framing = tracker->way == WAY_RAW ? FRAMING_RAW : FRAMING_LINE,
        };
        r = stream_connect(&tracker->stream, tracker->poller, &tracker_session_ops, endpoint,
                           OUT_BYTES_MAX);
        if (r < 0)
            continue;
        tracker_set_state(tracker, TRACKER_CONNECTING, "connecting");
        r = stream_set_timeout(&tracker->stream, CONNECT_USEC);
        if (r >= 0)
            return;
        stream_close(&tracker->stream);
    }
    tracker_wait_and_retry(tracker, strerror(-r));
}

static void tracker_on_resolved(int r, const char *message, const Endpoint endpoints[], size_t n,
                                void *userdata) {
    Tracker *tracker = userdata;

    tracker->resolve = work_free(tracker->resolve);
    if (r < 0) {
        tracker_wait_and_retry(tracker, message);
        return;
    }
    memcpy(tracker->endpoints, endpoints, n * sizeof(*endpoints));
    tracker->endpoint_count = n;
    tracker->endpoint_next = 0;
    tracker_connect_next(tracker);
}

static void tracker_wait_for_offer(Tracker *tracker) {
    const char *pending = tracker->hooks.offer_pending(tracker->hooks.userdata);

    if (pending)
        tracker_set_state(tracker, TRACKER_READING, "%s", pending);
    else
        tracker_set_state(tracker, TRACKER_IDLE,
                          "there is nothing to publish (path in section [share]; see p2pctl "
                          "shares)");
}

// Starts to join, if there is a reason to.
static void tracker_start(Tracker *tracker) {
    int r;

    tracker_disconnect(tracker);
    if (tracker->left) {
        tracker_set_state(tracker, TRACKER_LEFT, "this peer has left");
    } else if (!tracker->host) {
        tracker_set_state(tracker, TRACKER_IDLE,
                          "no FileTracker is configured (ft in section [peer])");
    } else if (!tracker_publisher_any(&tracker->publisher)) {
        tracker_wait_for_offer(tracker);
    } else {
        tracker_set_state(tracker, TRACKER_RESOLVING, "looking up %s", tracker->host);
        r = resolve_start(tracker->event, tracker->host, tracker->port, tracker_on_resolved,
                          tracker, &tracker->resolve);
        if (r < 0)
            tracker_wait_and_retry(tracker, strerror(-r));
        return;
    }
    tracker_search_queue_fail(&tracker->searches, -ENOTCONN);
}

static int tracker_tell_changed_offer(Tracker *tracker) {
    int r;

    tracker_publisher_changed(&tracker->publisher);
    r = tracker_session_tell(tracker);
    return r < 0 ? r : stream_flush(&tracker->stream);
}

static void tracker_publish_now(Tracker *tracker) {
    bool any = tracker_publisher_any(&tracker->publisher);
    int r;

    tracker->published_at = time_monotonic();
    if (any && tracker_in_session(tracker) && tracker->framer.framing == FRAMING_LINE) {
        r = tracker_tell_changed_offer(tracker);
        if (r < 0)
            tracker_handle_loss(tracker, r);
        return;
    }
    // An FT that only knows RAW takes records once in a session. No FT accepts a peer without
    // records.
    if (!any || tracker->state == TRACKER_IDLE || tracker->state == TRACKER_READING ||
        (tracker->state == TRACKER_JOINED && !tracker_publisher_current(&tracker->publisher))) {
        tracker_say_bye(tracker);
        tracker_start_anew(tracker);
    }
}

static int tracker_on_publish_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                    void *userdata) {
    tracker_publish_now(userdata);
    return 0;
}

void tracker_publish(Tracker *tracker) {
    uint64_t due = tracker->published_at + PUBLISH_USEC;

    if (time_monotonic() >= due) {
        tracker_publish_now(tracker);
        return;
    }
    (void)sd_event_source_set_time(tracker->publish, due);
    (void)sd_event_source_set_enabled(tracker->publish, SD_EVENT_ONESHOT);
}

int tracker_new(sd_event *event, Poller *poller, const TrackerHooks *hooks, Tracker **ret) {
    _cleanup_(tracker_freep) Tracker *tracker = NULL;
    int r;

    tracker = calloc(1, sizeof(*tracker));
    if (!tracker)
        return -ENOMEM;
    tracker->event = sd_event_ref(event);
    tracker->poller = poller;
    tracker->stream = STREAM_INIT;
    r = tracker_search_queue_init(&tracker->searches, event, tracker);
    if (r < 0)
        return r;
    r = sd_event_add_time(event, &tracker->retry, CLOCK_MONOTONIC, 0, 0, tracker_on_retry_timer,
                          tracker);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(tracker->retry, SD_EVENT_OFF);
    if (r < 0)
        return r;
    tracker_publisher_init(&tracker->publisher, &tracker->hooks);
    r = sd_event_add_time(event, &tracker->publish, CLOCK_MONOTONIC, 0, 0, tracker_on_publish_timer,
                          tracker);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(tracker->publish, SD_EVENT_OFF);
    if (r < 0)
        return r;
    tracker_set_state(tracker, TRACKER_IDLE, "the shares have not been read yet");
    tracker->hooks = *hooks;
    *ret = TAKE_PTR(tracker);
    return 0;
}

Tracker *tracker_free(Tracker *tracker) {
    if (!tracker)
        return NULL;
    tracker->hooks = (TrackerHooks){};
    tracker_say_bye(tracker);
    tracker->resolve = work_free(tracker->resolve);
    stream_close(&tracker->stream);
    tracker_search_queue_done(&tracker->searches);
    tracker_publisher_end(&tracker->publisher);
    sd_event_source_disable_unref(tracker->publish);
    sd_event_source_disable_unref(tracker->retry);
    sd_event_unref(tracker->event);
    free(tracker->host);
    free(tracker);
    return NULL;
}

int tracker_configure(Tracker *tracker, const char *host, uint16_t port, Dialect dialect) {
    char *copy = NULL;

    if (tracker->port == port && tracker->dialect == dialect && !host == !tracker->host &&
        (!host || strcmp(host, tracker->host) == 0))
        return 0;
    if (host) {
        copy = strdup(host);
        if (!copy)
            return -ENOMEM;
    }
    tracker_say_bye(tracker);
    free(tracker->host);
    tracker->host = copy;
    tracker->port = port;
    tracker->dialect = dialect;
    tracker->was_ours = false;
    tracker->failures = 0;
    tracker_start_anew(tracker);
    return 0;
}

void tracker_set_listen(Tracker *tracker, const Endpoint *listen) {
    tracker->listen = *listen;
}

void tracker_leave(Tracker *tracker) {
    if (tracker->left)
        return;
    tracker_say_bye(tracker);
    tracker->left = true;
    tracker_start_anew(tracker);
}

void tracker_join(Tracker *tracker) {
    bool retry_now = tracker->state == TRACKER_WAITING || tracker->left;
    int r;

    tracker->left = false;
    tracker->failures = 0;
    if (retry_now || tracker->state == TRACKER_IDLE) {
        tracker_start_anew(tracker);
        return;
    }
    if (tracker->state != TRACKER_JOINED)
        return;
    // A user who joins again while joined may have just opened a firewall, so ask FT once more.
    r = tracker_session_ask_reachable(tracker);
    if (r >= 0)
        r = stream_flush(&tracker->stream);
    if (r < 0)
        tracker_handle_loss(tracker, r);
}

void tracker_search_timed_out(Tracker *tracker) {
    if (tracker->state == TRACKER_JOINED)
        tracker_handle_loss(tracker, -ETIMEDOUT);
}

TrackerState tracker_state(const Tracker *tracker) {
    return tracker->state;
}

const char *tracker_reason(const Tracker *tracker) {
    return tracker->reason;
}

uint64_t tracker_since(const Tracker *tracker) {
    return tracker->since;
}

const Endpoint *tracker_address(const Tracker *tracker) {
    return tracker->state == TRACKER_JOINED ? &tracker->address : NULL;
}

Reachability tracker_reachability(const Tracker *tracker) {
    return tracker->state == TRACKER_JOINED ? tracker->reachability : REACHABLE_UNKNOWN;
}

bool tracker_has_published(const Tracker *tracker, const Record *record) {
    return tracker->state == TRACKER_JOINED && tracker_publisher_has(&tracker->publisher, record);
}

bool tracker_is_full(const Tracker *tracker, size_t *ret_limit) {
    *ret_limit = tracker_publisher_limit(&tracker->publisher);
    return tracker->state == TRACKER_JOINED && tracker->publisher.count >= *ret_limit;
}

Framing tracker_framing(const Tracker *tracker) {
    return tracker->framer.framing;
}

size_t tracker_published(const Tracker *tracker) {
    return tracker->state == TRACKER_JOINED ? tracker->publisher.count : 0;
}

uint64_t tracker_joins(const Tracker *tracker) {
    return tracker->joins;
}

uint64_t tracker_searches(const Tracker *tracker) {
    return tracker->searches_begun;
}

// Sends the search that was just added. The caller may be in a callback of the stream, so the
// stream must stay open until that returns.
static void tracker_search_added(Tracker *tracker) {
    int r;

    tracker->searches_begun++;
    if (tracker->state != TRACKER_JOINED)
        return;
    r = tracker_session_search(tracker);
    if (r < 0)
        stream_fail_later(&tracker->stream, r);
    else
        stream_flush_later(&tracker->stream);
}

int tracker_search(Tracker *tracker, const char *file_name, TrackerSearchHandler handler,
                   void *userdata, TrackerSearch **ret) {
    int r;

    if (tracker->state != TRACKER_JOINED && !tracker_is_joining(tracker))
        return -ENOTCONN;
    r = tracker_search_queue_add(&tracker->searches, file_name, handler, userdata, ret);
    if (r < 0)
        return r;
    tracker_search_added(tracker);
    return 0;
}

int tracker_find(Tracker *tracker, const FindRequest *request, TrackerFindHandler handler,
                 void *userdata, TrackerSearch **ret) {
    int r;

    if (tracker->state != TRACKER_JOINED && !tracker_is_joining(tracker))
        return -ENOTCONN;
    r = tracker_search_queue_add_find(&tracker->searches, request, handler, userdata, ret);
    if (r < 0)
        return r;
    tracker_search_added(tracker);
    return 0;
}
