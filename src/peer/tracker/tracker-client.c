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
    // All searches that there can be, and a batch of records.
    OUT_BYTES_MAX = 256 * 1024,
    RETRY_DOUBLINGS_MAX = 6, // 0.5 s … 32 s
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
// A directory into which files are copied changes a hundred times a second.
static const uint64_t PUBLISH_USEC = USEC_PER_SEC / 2;
// An FT that was not spoken to in the best way is tried again, after this time first.
static const uint64_t BETTER_WAY_USEC = 60 * USEC_PER_SEC;
static const uint64_t RETRY_MIN_USEC = USEC_PER_SEC / 2;
// A session that lasted this long, or answered something, was a good one: come back at once. An FT that crashes may
// do so again and again, and each time its peers are what it has.
static const uint64_t GOOD_SESSION_USEC = USEC_PER_SEC;
// After one that lasted this long, FT may have become another one.
static const uint64_t LONG_SESSION_USEC = 10 * USEC_PER_SEC;

static void start(FtClient *client);
static void connect_next(FtClient *client);

static const char *const state_names[] = {
    [FT_IDLE] = "idle",
    [FT_READING] = "connecting",
    [FT_WAITING] = "waiting",
    [FT_RESOLVING] = "connecting",
    [FT_CONNECTING] = "connecting",
    [FT_GREETING] = "connecting",
    [FT_TELLING] = "connecting",
    [FT_JOINED] = "joined",
    [FT_LEFT] = "left",
};

const char *ft_state_name(FtState state) {
    return state_names[state];
}

static bool is_trying(FtState state) {
    return state == FT_READING || state == FT_WAITING || state == FT_RESOLVING ||
           state == FT_CONNECTING || state == FT_GREETING || state == FT_TELLING;
}

void ft_client_set_state(FtClient *client, FtState state, const char *format, ...) {
    bool still_trying = is_trying(client->state) && is_trying(state);
    va_list ap;

    va_start(ap, format);
    vsnprintf(client->reason, sizeof(client->reason), format, ap);
    va_end(ap);
    client->state = state;
    if (!still_trying)
        client->since = (uint64_t) time(NULL) * USEC_PER_SEC;
    if (client->hooks.on_state)
        client->hooks.on_state(client->hooks.userdata);
}

static bool is_joining(const FtClient *client) {
    return client->state == FT_RESOLVING || client->state == FT_CONNECTING ||
           client->state == FT_GREETING || client->state == FT_TELLING;
}

// Whether FT may know records of ours.
static bool in_session(const FtClient *client) {
    return client->state == FT_TELLING || client->state == FT_JOINED;
}

static void disconnect(FtClient *client) {
    client->resolve = work_free(client->resolve);
    stream_close(&client->stream);
    (void) sd_event_source_set_enabled(client->retry, SD_EVENT_OFF);
    ft_publisher_end(&client->publisher);
    ft_search_queue_rewind(&client->searches);
}

// Says BYE if there is someone to say it to. Not waited for: FT forgets us at the close all the same.
static void say_bye(FtClient *client) {
    if (!in_session(client))
        return;
    (void) message_put_word(stream_out(&client->stream), client->framer.framing, WORD_BYE);
    (void) stream_flush(&client->stream);
}

const char *ft_client_name(const FtClient *client, char text[static FT_CLIENT_TEXT_MAX]) {
    bool brackets = strchr(client->host, ':');

    snprintf(text, FT_CLIENT_TEXT_MAX, "%s%s%s:%u", brackets ? "[" : "", client->host,
             brackets ? "]" : "", client->port);
    return text;
}

// Ever later, the more often it was in vain.
static void start_retry(FtClient *client, uint64_t first, unsigned times) {
    uint64_t delay = first << MIN(times, (unsigned) RETRY_DOUBLINGS_MAX);
    uint16_t random = 0;

    // A quarter of jitter either way: a whole lab that lost its FT shall not come back in one instant.
    (void) getrandom(&random, sizeof(random), 0);
    (void) sd_event_source_set_time_relative(client->retry,
                                             delay * 3 / 4 + delay / 2 * random / UINT16_MAX);
    (void) sd_event_source_set_enabled(client->retry, SD_EVENT_ONESHOT);
}

static void wait_and_retry(FtClient *client, const char *why) {
    char ft[FT_CLIENT_TEXT_MAX];

    if (client->failures == 0)
        log_event(LOG_WARNING,
                  &(LogFields){.id = EVENT_NOT_JOINED, .peer = ft_client_name(client, ft)},
                  "Not joined to %s: %s; trying again", ft, why);
    start_retry(client, RETRY_MIN_USEC, client->failures);
    client->failures++;
    ft_client_set_state(client, FT_WAITING, "%s", why);
    ft_search_queue_fail(&client->searches, -ENOTCONN);
}

static void start_anew(FtClient *client) {
    client->way = client->dialect == DIALECT_RAW ? WAY_RAW : WAY_ROOTED;
    start(client);
}

// Nothing is joined, or not in the best way.
static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    FtClient *client = userdata;

    say_bye(client);
    start_anew(client);
    return 0;
}

void ft_client_joined(FtClient *client) {
    client->joins++;
    if (client->way == WAY_ROOTED || client->dialect == DIALECT_RAW) {
        client->lesser_joins = 0;
        return;
    }
    // It may have been our own kind of FT, too busy to answer in time. Without roots nothing is verified.
    start_retry(client, BETTER_WAY_USEC, client->lesser_joins);
    client->lesser_joins++;
}

// The same endpoint again, in another way.
static void connect_again(FtClient *client, FtWay way) {
    client->way = way;
    client->endpoint_next--;
    connect_next(client);
}

// A session has ended that did what it should.
static void come_back(FtClient *client, bool long_enough) {
    client->failures = 0;
    // An FT that closes after each answer is spoken to as it was: looking for a better way takes seconds.
    if (long_enough)
        start_anew(client);
    else
        start(client);
}

// An attempt has failed, or a session has ended.
static void handle_loss(FtClient *client, int error) {
    const char *why = error == 0 || error == -ESHUTDOWN
                          ? "the FileTracker has closed the connection"
                      : error == -ETIMEDOUT ? "the FileTracker does not answer"
                      : error == -EPROTO    ? "the FileTracker does not speak the protocol"
                                            : strerror(-error);
    char ft[FT_CLIENT_TEXT_MAX];
    bool was_joined = client->state == FT_JOINED, was_greeting = client->state == FT_GREETING;
    bool was_telling = client->state == FT_TELLING;
    bool line = client->framer.framing == FRAMING_LINE;
    bool roots_at_fault = client->publisher.rooted && !client->knows_roots && !client->was_ours;
    uint64_t lasted = time_monotonic() - client->joined_at;

    if (was_joined)
        client->was_ours = client->knows_roots;
    else if (was_greeting || was_telling)
        client->was_ours = false; // one attempt is given the benefit of the doubt
    disconnect(client);
    if (roots_at_fault) {
        log_info("The FileTracker does not know records with roots: joining without");
        connect_again(client, WAY_PLAIN);
        return;
    }
    if (was_joined) {
        log_limited(&client->lost_log, LOG_NOTICE,
                    &(LogFields){.id = EVENT_LOST, .peer = ft_client_name(client, ft)},
                    "The session with the FileTracker has ended: %s", why);
        if (client->served || lasted >= GOOD_SESSION_USEC) {
            come_back(client, lasted >= LONG_SESSION_USEC);
            return;
        }
    } else if (was_greeting && line && client->dialect == DIALECT_AUTO) {
        // It is there, and did not understand: it may only know RAW.
        connect_again(client, WAY_RAW);
        return;
    } else if (client->endpoint_next < client->endpoint_count) {
        connect_next(client);
        return;
    }
    wait_and_retry(client, why);
}

void ft_client_lost(Stream *stream, int error) {
    handle_loss(container_of(stream, FtClient, stream), error);
}

static void connect_next(FtClient *client) {
    int r = -EHOSTUNREACH;

    while (client->endpoint_next < client->endpoint_count) {
        const Endpoint *endpoint = &client->endpoints[client->endpoint_next++];

        client->framer = (Framer){
            .source = FRAME_FROM_FT,
            .framing = client->way == WAY_RAW ? FRAMING_RAW : FRAMING_LINE,
        };
        r = stream_connect(&client->stream, client->poller, &ft_session_ops, endpoint,
                           OUT_BYTES_MAX);
        if (r < 0)
            continue;
        ft_client_set_state(client, FT_CONNECTING, "connecting");
        r = stream_set_timeout(&client->stream, CONNECT_USEC);
        if (r >= 0)
            return;
        stream_close(&client->stream);
    }
    wait_and_retry(client, strerror(-r));
}

static void on_resolved(int r, const char *message, const Endpoint endpoints[], size_t n,
                        void *userdata) {
    FtClient *client = userdata;

    client->resolve = work_free(client->resolve);
    if (r < 0) {
        wait_and_retry(client, message);
        return;
    }
    memcpy(client->endpoints, endpoints, n * sizeof(*endpoints));
    client->endpoint_count = n;
    client->endpoint_next = 0;
    connect_next(client);
}

static void wait_for_offer(FtClient *client) {
    const char *pending = client->hooks.offer_pending(client->hooks.userdata);

    if (pending)
        ft_client_set_state(client, FT_READING, "%s", pending);
    else
        ft_client_set_state(client, FT_IDLE,
                            "there is nothing to publish (path in section [share]; see p2pctl "
                            "shares)");
}

// Begins to join, if there is reason to.
static void start(FtClient *client) {
    int r;

    disconnect(client);
    if (client->left) {
        ft_client_set_state(client, FT_LEFT, "this peer has left");
    } else if (!client->host) {
        ft_client_set_state(client, FT_IDLE, "no FileTracker is configured (ft in section [peer])");
    } else if (!ft_publisher_any(&client->publisher)) {
        wait_for_offer(client);
    } else {
        ft_client_set_state(client, FT_RESOLVING, "looking up %s", client->host);
        r = resolve_start(client->event, client->host, client->port, on_resolved, client,
                          &client->resolve);
        if (r < 0)
            wait_and_retry(client, strerror(-r));
        return;
    }
    ft_search_queue_fail(&client->searches, -ENOTCONN);
}

static int tell_changed_offer(FtClient *client) {
    int r;

    ft_publisher_changed(&client->publisher);
    r = ft_session_tell(client);
    return r < 0 ? r : stream_flush(&client->stream);
}

static void publish(FtClient *client) {
    bool any = ft_publisher_any(&client->publisher);
    int r;

    client->published_at = time_monotonic();
    if (any && in_session(client) && client->framer.framing == FRAMING_LINE) {
        r = tell_changed_offer(client);
        if (r < 0)
            handle_loss(client, r);
        return;
    }
    // An FT that only knows RAW takes records once, and nobody is accepted without any.
    if (!any || client->state == FT_IDLE || client->state == FT_READING ||
        (client->state == FT_JOINED && !ft_publisher_current(&client->publisher))) {
        say_bye(client);
        start_anew(client);
    }
}

static int on_publish(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    publish(userdata);
    return 0;
}

void ft_client_publish(FtClient *client) {
    uint64_t due = client->published_at + PUBLISH_USEC;

    if (time_monotonic() >= due) {
        publish(client);
        return;
    }
    (void) sd_event_source_set_time(client->publish, due);
    (void) sd_event_source_set_enabled(client->publish, SD_EVENT_ONESHOT);
}

int ft_client_new(sd_event *event, Poller *poller, const FtClientHooks *hooks, FtClient **ret) {
    _cleanup_(ft_client_freep) FtClient *client = NULL;
    int r;

    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->event = sd_event_ref(event);
    client->poller = poller;
    client->stream = (Stream) STREAM_INIT;
    r = ft_search_queue_init(&client->searches, event, client);
    if (r < 0)
        return r;
    r = sd_event_add_time(event, &client->retry, CLOCK_MONOTONIC, 0, 0, on_retry, client);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(client->retry, SD_EVENT_OFF);
    if (r < 0)
        return r;
    ft_publisher_init(&client->publisher, &client->hooks);
    r = sd_event_add_time(event, &client->publish, CLOCK_MONOTONIC, 0, 0, on_publish, client);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(client->publish, SD_EVENT_OFF);
    if (r < 0)
        return r;
    ft_client_set_state(client, FT_IDLE, "the shares have not been read yet");
    client->hooks = *hooks;
    *ret = TAKE_PTR(client);
    return 0;
}

FtClient *ft_client_free(FtClient *client) {
    if (!client)
        return NULL;
    client->hooks = (FtClientHooks){};
    say_bye(client);
    client->resolve = work_free(client->resolve);
    stream_close(&client->stream);
    ft_search_queue_done(&client->searches);
    ft_publisher_end(&client->publisher);
    sd_event_source_disable_unref(client->publish);
    sd_event_source_disable_unref(client->retry);
    sd_event_unref(client->event);
    free(client->host);
    free(client);
    return NULL;
}

int ft_client_configure(FtClient *client, const char *host, uint16_t port, Dialect dialect) {
    char *copy = NULL;

    if (client->port == port && client->dialect == dialect && !host == !client->host &&
        (!host || strcmp(host, client->host) == 0))
        return 0;
    if (host) {
        copy = strdup(host);
        if (!copy)
            return -ENOMEM;
    }
    say_bye(client);
    free(client->host);
    client->host = copy;
    client->port = port;
    client->dialect = dialect;
    client->was_ours = false;
    client->failures = 0;
    start_anew(client);
    return 0;
}

void ft_client_set_listen(FtClient *client, const Endpoint *listen) {
    client->listen = *listen;
}

void ft_client_leave(FtClient *client) {
    if (client->left)
        return;
    say_bye(client);
    client->left = true;
    start_anew(client);
}

void ft_client_join(FtClient *client) {
    bool retry_now = client->state == FT_WAITING || client->left;
    int r;

    client->left = false;
    client->failures = 0;
    if (retry_now || client->state == FT_IDLE) {
        start_anew(client);
        return;
    }
    if (client->state != FT_JOINED)
        return;
    // Whoever joins what is joined has perhaps just opened a firewall.
    r = ft_session_ask_reachable(client);
    if (r >= 0)
        r = stream_flush(&client->stream);
    if (r < 0)
        handle_loss(client, r);
}

void ft_client_search_timed_out(FtClient *client) {
    if (client->state == FT_JOINED)
        handle_loss(client, -ETIMEDOUT);
}

FtState ft_client_state(const FtClient *client) {
    return client->state;
}

const char *ft_client_reason(const FtClient *client) {
    return client->reason;
}

uint64_t ft_client_since(const FtClient *client) {
    return client->since;
}

const Endpoint *ft_client_address(const FtClient *client) {
    return client->state == FT_JOINED ? &client->address : NULL;
}

Reachability ft_client_reachability(const FtClient *client) {
    return client->state == FT_JOINED ? client->reachability : REACHABLE_UNKNOWN;
}

bool ft_client_has_published(const FtClient *client, const Record *record) {
    return client->state == FT_JOINED && ft_publisher_has(&client->publisher, record);
}

bool ft_client_is_full(const FtClient *client, size_t *ret_limit) {
    *ret_limit = ft_publisher_limit(&client->publisher);
    return client->state == FT_JOINED && client->publisher.count >= *ret_limit;
}

Framing ft_client_framing(const FtClient *client) {
    return client->framer.framing;
}

size_t ft_client_published(const FtClient *client) {
    return client->state == FT_JOINED ? client->publisher.count : 0;
}

uint64_t ft_client_joins(const FtClient *client) {
    return client->joins;
}

uint64_t ft_client_searches(const FtClient *client) {
    return client->searches_begun;
}

// Asks for what has just been added. Whoever searches may do so from a callback of the stream: it stays open until then.
static void search_added(FtClient *client) {
    int r;

    client->searches_begun++;
    if (client->state != FT_JOINED)
        return;
    r = ft_session_search(client);
    if (r < 0)
        stream_fail_later(&client->stream, r);
    else
        stream_flush_later(&client->stream);
}

int ft_client_search(FtClient *client, const char *file_name, FtSearchHandler handler,
                     void *userdata, FtSearch **ret) {
    int r;

    if (client->state != FT_JOINED && !is_joining(client))
        return -ENOTCONN;
    r = ft_search_queue_add(&client->searches, file_name, handler, userdata, ret);
    if (r < 0)
        return r;
    search_added(client);
    return 0;
}

int ft_client_find(FtClient *client, const FindRequest *request, FtFindHandler handler,
                   void *userdata, FtSearch **ret) {
    int r;

    if (client->state != FT_JOINED && !is_joining(client))
        return -ENOTCONN;
    r = ft_search_queue_add_find(&client->searches, request, handler, userdata, ret);
    if (r < 0)
        return r;
    search_added(client);
    return 0;
}
