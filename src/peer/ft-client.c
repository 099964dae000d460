// SPDX-License-Identifier: MIT

#include "peer/ft-client.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "net/stream.h"
#include "peer/ft-search.h"
#include "peer/resolver.h"
#include "util/log.h"
#include "util/text.h"
#include "util/time-util.h"

enum {
    OUT_BYTES_MAX = 64 * 1024,
    RETRY_DOUBLINGS_MAX = 6, // 0.5 s … 32 s
};

static const uint64_t CONNECT_USEC = 5 * USEC_PER_SEC;
static const uint64_t GREET_USEC = 10 * USEC_PER_SEC;
static const uint64_t RETRY_MIN_USEC = USEC_PER_SEC / 2;
// A session that lasted this long, or answered something, was a good one: come back at once.
static const uint64_t GOOD_SESSION_USEC = 10 * USEC_PER_SEC;

// Records as they are published: copies that own their strings.
typedef struct Offer {
    Record records[FILES_PER_PEER_DEFAULT];
    RecordText texts[FILES_PER_PEER_DEFAULT];
    size_t count;
} Offer;

struct FtClient {
    sd_event *event;
    Poller *poller;
    FtClientHooks hooks;

    char *host; // NULL: none
    uint16_t port;
    Dialect dialect;
    Endpoint listen;
    Offer offer; // what shall be published
    Offer told;  // what FT has been told in this session

    FtState state;
    bool left;
    char reason[256];
    uint64_t since;

    Work *resolve;
    Endpoint endpoints[RESOLVE_MAX];
    size_t endpoint_count, endpoint_next;
    Stream stream;
    Framer framer;
    bool try_raw;            // LINE got no answer
    bool quiet;              // RAW: the silence that ends a message has passed
    bool settled;            // RAW: the silence that ends our records has passed
    bool served;             // FT has answered a search in this session
    uint64_t joined_at;      // CLOCK_MONOTONIC µs
    uint64_t greet_deadline; // HI must have come by then, the same
    Endpoint address;        // of this peer, in its records
    sd_event_source *retry;
    unsigned failures;
    FtSearchQueue searches;
};

static void start(FtClient *client);
static void connect_next(FtClient *client);

static const char *const state_names[] = {
    [FT_IDLE] = "idle",
    [FT_WAITING] = "waiting",
    [FT_RESOLVING] = "connecting",
    [FT_CONNECTING] = "connecting",
    [FT_GREETING] = "connecting",
    [FT_JOINED] = "joined",
    [FT_LEFT] = "left",
};

const char *ft_state_name(FtState state) {
    return state_names[state];
}

static void set_state(FtClient *client, FtState state, const char *format, ...) _printf_(3, 4);

static bool is_trying(FtState state) {
    return state == FT_WAITING || state == FT_RESOLVING || state == FT_CONNECTING ||
           state == FT_GREETING;
}

static void set_state(FtClient *client, FtState state, const char *format, ...) {
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
           client->state == FT_GREETING;
}

static void disconnect(FtClient *client) {
    client->resolve = work_free(client->resolve);
    stream_close(&client->stream);
    (void) sd_event_source_set_enabled(client->retry, SD_EVENT_OFF);
    client->told.count = 0;
    ft_search_queue_rewind(&client->searches);
}

// Says BYE if there is someone to say it to. Not waited for: FT forgets us at the close all the same.
static void say_bye(FtClient *client) {
    if (client->state != FT_JOINED)
        return;
    (void) message_put_word(stream_out(&client->stream), client->framer.framing, WORD_BYE);
    (void) stream_flush(&client->stream);
}

static uint64_t retry_delay(const FtClient *client) {
    unsigned doublings = MIN(client->failures, (unsigned) RETRY_DOUBLINGS_MAX);
    uint64_t delay = RETRY_MIN_USEC << doublings;
    uint16_t random = 0;

    // A quarter of jitter either way: a whole lab that lost its FT shall not come back in one instant.
    (void) getrandom(&random, sizeof(random), 0);
    return delay * 3 / 4 + delay / 2 * random / UINT16_MAX;
}

static void wait_and_retry(FtClient *client, const char *why) {
    uint64_t delay = retry_delay(client);

    if (client->failures == 0)
        log_warning("Not joined to %s:%u: %s; trying again", client->host, client->port, why);
    client->failures++;
    (void) sd_event_source_set_time_relative(client->retry, delay);
    (void) sd_event_source_set_enabled(client->retry, SD_EVENT_ONESHOT);
    set_state(client, FT_WAITING, "%s", why);
    ft_search_queue_fail(&client->searches, -ENOTCONN);
}

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    start(userdata);
    return 0;
}

// An attempt has failed, or a session has ended.
static void handle_loss(FtClient *client, int error) {
    const char *why = error == 0 || error == -ESHUTDOWN ? "FT has closed the connection"
                      : error == -ETIMEDOUT             ? "FT does not answer"
                      : error == -EPROTO                ? "FT does not speak the protocol"
                                                        : strerror(-error);
    bool was_joined = client->state == FT_JOINED, was_greeting = client->state == FT_GREETING;
    bool line = client->framer.framing == FRAMING_LINE;

    disconnect(client);
    if (was_joined) {
        log_info("The session with FT has ended: %s", why);
        if (client->served || time_monotonic() - client->joined_at >= GOOD_SESSION_USEC) {
            client->failures = 0;
            start(client);
            return;
        }
    } else if (was_greeting && line && client->dialect == DIALECT_AUTO) {
        // It is there, and did not understand: it may only know RAW.
        client->try_raw = true;
        client->endpoint_next--;
        connect_next(client);
        return;
    } else if (client->endpoint_next < client->endpoint_count) {
        connect_next(client);
        return;
    }
    wait_and_retry(client, why);
}

static Endpoint find_own_address(const FtClient *client) {
    Endpoint own = client->listen;
    SocketAddress sockaddr = {};
    socklen_t len = sizeof(sockaddr);
    IpAddress host;

    if (!address_is_any(&own.address))
        return own;
    if (getsockname(client->stream.fd, &sockaddr.sa, &len) >= 0)
        own.address = endpoint_from_sockaddr(&sockaddr).address;
    // FT on our own machine is reached over loopback, where nobody else reaches us.
    if (address_is_loopback(&own.address) &&
        (address_of_host(own.address.family, &host) >= 0 || address_of_host(AF_INET, &host) >= 0 ||
         address_of_host(AF_INET6, &host) >= 0))
        own.address = host;
    return own;
}

static const RecordSyntax *session_syntax(const FtClient *client) {
    return client->framer.framing == FRAMING_RAW ? &record_syntax_authors : &record_syntax_own;
}

static bool offer_has(const Offer *offer, const Record *record) {
    for (size_t i = 0; i < offer->count; i++)
        if (record_same_file(&offer->records[i], record))
            return true;
    return false;
}

static void offer_set(Offer *offer, const Record records[], size_t n) {
    offer->count = MIN(n, (size_t) FILES_PER_PEER_DEFAULT);
    for (size_t i = 0; i < offer->count; i++) {
        offer->records[i] = records[i];
        snprintf(offer->texts[i].name, sizeof(offer->texts[i].name), "%s", records[i].name);
        snprintf(offer->texts[i].type, sizeof(offer->texts[i].type), "%s", records[i].type);
        offer->records[i].name = offer->texts[i].name;
        offer->records[i].type = offer->texts[i].type;
    }
}

// Tells FT what has changed between client->told and client->offer.
static int tell_changes(FtClient *client) {
    Buffer *out = stream_out(&client->stream);
    const RecordSyntax *syntax = session_syntax(client);
    Record added[FILES_PER_PEER_DEFAULT];
    size_t n = 0;
    int r;

    for (size_t i = 0; i < client->told.count; i++)
        if (!offer_has(&client->offer, &client->told.records[i])) {
            r = message_put_file(out, client->framer.framing, WORD_REMOVE, &client->told.records[i],
                                 syntax);
            if (r < 0)
                return r;
        }
    for (size_t i = 0; i < client->offer.count; i++)
        if (!offer_has(&client->told, &client->offer.records[i])) {
            added[n] = client->offer.records[i];
            added[n++].endpoint = client->address;
        }
    r = message_put_records(out, client->framer.framing, syntax, added, n);
    if (r < 0)
        return r;
    offer_set(&client->told, client->offer.records, client->offer.count);
    return 0;
}

static int send_searches(FtClient *client) {
    if (!client->settled)
        return 0;
    return ft_search_queue_send(&client->searches, stream_out(&client->stream),
                                client->framer.framing);
}

static int handle_hi(FtClient *client) {
    char text[ENDPOINT_TEXT_MAX];
    int r;

    client->address = find_own_address(client);
    client->joined_at = time_monotonic();
    client->served = false;
    // In RAW only a silence separates the records from the first search.
    client->settled = client->framer.framing == FRAMING_LINE;
    r = tell_changes(client);
    if (r < 0)
        return r;
    r = stream_set_timeout(&client->stream, client->settled ? 0 : 2 * SILENCE_RAW_USEC);
    if (r < 0)
        return r;
    endpoint_format(&client->address, text);
    log_info("Joined %s:%u with %zu files, reachable at %s", client->host, client->port,
             client->told.count, text);
    set_state(client, FT_JOINED, "%s", "");
    return send_searches(client);
}

static int handle_message(FtClient *client, const Message *message) {
    if (message->kind == MESSAGE_EMPTY)
        return 0;
    if (client->state == FT_GREETING)
        return message->kind == MESSAGE_HI ? handle_hi(client) : -EPROTO;
    // Words of its own, from an FT that does not know us, answer a search as much as NOT FOUND does.
    if (!ft_search_queue_answer(&client->searches, message))
        return 0;
    client->served = true;
    return send_searches(client);
}

static int on_connected(Stream *stream) {
    FtClient *client = container_of(stream, FtClient, stream);
    bool line = client->framer.framing == FRAMING_LINE;
    int r;

    r = message_put_word(stream_out(stream), client->framer.framing, WORD_HELLO);
    if (r < 0)
        return r;
    stream_keep_alive(stream);
    client->greet_deadline = time_monotonic() + GREET_USEC;
    set_state(client, FT_GREETING, "FT has not answered yet");
    return stream_set_timeout(stream, line && client->dialect == DIALECT_AUTO ? SILENCE_HELLO_USEC
                                                                              : GREET_USEC);
}

// HI from a RAW FT needs no silence behind it to be understood.
static bool is_raw_hi(const FtClient *client, const char *data, size_t len) {
    return client->state == FT_GREETING && client->framer.framing == FRAMING_RAW &&
           len >= strlen(WORD_HI) && memcmp(data, WORD_HI, strlen(WORD_HI)) == 0;
}

static int on_data(Stream *stream, const char *data, size_t len, bool eof, size_t *ret_consumed) {
    FtClient *client = container_of(stream, FtClient, stream);
    FrameResult result = FRAME_MESSAGE;
    size_t done = 0;
    uint64_t now;

    while (result == FRAME_MESSAGE) {
        const char *text = data + done;
        size_t text_len = strlen(WORD_HI), consumed = text_len;
        Message message;
        int r;

        if (!is_raw_hi(client, text, len - done))
            result = frame_next(&client->framer, text, len - done, client->quiet || eof, &text,
                                &text_len, &consumed);
        if (result == FRAME_TOO_LONG)
            return -EPROTO;
        if (result != FRAME_MESSAGE)
            break;
        message = message_parse(text, text_len);
        r = handle_message(client, &message);
        if (r < 0)
            return r;
        done += consumed;
    }
    *ret_consumed = done;
    if (eof)
        return -ESHUTDOWN;
    now = time_monotonic();
    if (client->state == FT_GREETING && now >= client->greet_deadline)
        return -ETIMEDOUT; // bytes, and none of them HI
    if (result == FRAME_MORE_OR_QUIET)
        return stream_set_timeout(stream, SILENCE_RAW_USEC);
    if (client->state == FT_GREETING && client->quiet)
        return stream_set_timeout(stream, client->greet_deadline - now);
    return 0;
}

static int on_timeout(Stream *stream) {
    FtClient *client = container_of(stream, FtClient, stream);
    int r;

    if (client->state != FT_JOINED && stream->in.size == 0)
        return -ETIMEDOUT;
    if (client->framer.framing == FRAMING_LINE)
        return client->state == FT_JOINED ? 0 : -ETIMEDOUT;
    client->quiet = true;
    r = stream_reconsider(stream);
    client->quiet = false;
    if (r < 0 || client->state != FT_JOINED)
        return r;
    client->settled = true;
    r = send_searches(client);
    return r < 0 ? r : stream_flush(stream);
}

static void on_closed(Stream *stream, int error) {
    handle_loss(container_of(stream, FtClient, stream), error);
}

static const StreamOps stream_ops = {
    .on_data = on_data,
    .on_timeout = on_timeout,
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static void connect_next(FtClient *client) {
    int r = -EHOSTUNREACH;

    while (client->endpoint_next < client->endpoint_count) {
        const Endpoint *endpoint = &client->endpoints[client->endpoint_next++];
        bool raw = client->dialect == DIALECT_RAW || client->try_raw;

        client->framer = (Framer){
            .source = FRAME_FROM_FT,
            .framing = raw ? FRAMING_RAW : FRAMING_LINE,
        };
        r = stream_connect(&client->stream, client->poller, &stream_ops, endpoint, OUT_BYTES_MAX);
        if (r < 0)
            continue;
        set_state(client, FT_CONNECTING, "connecting");
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

// Begins to join, if there is reason to.
static void start(FtClient *client) {
    int r;

    disconnect(client);
    client->try_raw = false;
    if (client->left) {
        set_state(client, FT_LEFT, "this peer has left");
    } else if (!client->host) {
        set_state(client, FT_IDLE, "no FileTracker is configured (ft in section [peer])");
    } else if (client->offer.count == 0) {
        set_state(client, FT_IDLE, "nothing is shared (path in section [share])");
    } else {
        set_state(client, FT_RESOLVING, "looking up %s", client->host);
        r = resolve_start(client->event, client->host, client->port, on_resolved, client,
                          &client->resolve);
        if (r < 0)
            wait_and_retry(client, strerror(-r));
        return;
    }
    ft_search_queue_fail(&client->searches, -ENOTCONN);
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
    client->hooks = *hooks;
    client->since = (uint64_t) time(NULL) * USEC_PER_SEC;
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
    client->failures = 0;
    start(client);
    return 0;
}

void ft_client_set_listen(FtClient *client, const Endpoint *listen) {
    client->listen = *listen;
}

int ft_client_publish(FtClient *client, const Record records[], size_t n) {
    int r;

    offer_set(&client->offer, records, n);
    if (client->state == FT_JOINED && client->framer.framing == FRAMING_LINE && n > 0) {
        r = tell_changes(client);
        return r < 0 ? r : stream_flush(&client->stream);
    }
    // An FT that only knows RAW takes records once, and nobody is accepted without any.
    if (client->state == FT_JOINED || client->state == FT_IDLE || n == 0) {
        say_bye(client);
        start(client);
    }
    return 0;
}

void ft_client_leave(FtClient *client) {
    if (client->left)
        return;
    say_bye(client);
    client->left = true;
    start(client);
}

void ft_client_join(FtClient *client) {
    bool retry_now = client->state == FT_WAITING || client->left;

    client->left = false;
    client->failures = 0;
    if (retry_now || client->state == FT_IDLE)
        start(client);
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

Framing ft_client_framing(const FtClient *client) {
    return client->framer.framing;
}

int ft_client_search(FtClient *client, const char *file_name, FtSearchHandler handler,
                     void *userdata, FtSearch **ret) {
    int r;

    if (client->state != FT_JOINED && !is_joining(client))
        return -ENOTCONN;
    r = ft_search_queue_add(&client->searches, file_name, handler, userdata, ret);
    if (r < 0 || client->state != FT_JOINED)
        return r;
    r = send_searches(client);
    if (r >= 0)
        r = stream_flush(&client->stream);
    if (r < 0)
        handle_loss(client, r);
    return 0;
}
