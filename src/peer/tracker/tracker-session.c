// SPDX-License-Identifier: MIT

#include "peer/tracker/tracker-internal.h"

#include <string.h>

#include "proto/message.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"

static const uint64_t GREET_USEC = 10 * USEC_PER_SEC;
// It has understood us before, and is perhaps just being started anew: do not take its silence for RAW.
static const uint64_t GREET_AGAIN_USEC = 3 * USEC_PER_SEC;
// KEPT: for the first one, which shows whether FT knows roots at all; for the rest of an answer that has
// begun; and for any other.
static const uint64_t KEPT_FIRST_USEC = 3 * USEC_PER_SEC;
static const uint64_t KEPT_REST_USEC = USEC_PER_SEC;
static const uint64_t KEPT_USEC = 30 * USEC_PER_SEC;

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
    return client->way == WAY_RAW     ? &record_syntax_authors
           : client->way == WAY_PLAIN ? &record_syntax_own
                                      : &record_syntax_rooted;
}

// How long FT may take to answer what it has been told.
static int arm_kept(FtClient *client) {
    const FtPublisher *publisher = &client->publisher;

    return stream_set_timeout(&client->stream, !publisher->awaiting   ? 0
                                               : !client->knows_roots ? KEPT_FIRST_USEC
                                               : publisher->answered  ? KEPT_REST_USEC
                                                                      : KEPT_USEC);
}

int ft_session_tell(FtClient *client) {
    int r;

    if (client->publisher.awaiting)
        return 0; // when that has been answered
    r = ft_publisher_write(&client->publisher, stream_out(&client->stream));
    return r < 0 || client->framer.framing == FRAMING_RAW ? r : arm_kept(client);
}

int ft_session_search(FtClient *client) {
    if (!client->settled)
        return 0;
    return ft_search_queue_send(&client->searches, stream_out(&client->stream),
                                client->framer.framing, client->knows_roots);
}

int ft_session_ask_reachable(FtClient *client) {
    if (!client->knows_roots || client->framer.framing != FRAMING_LINE)
        return 0;
    client->asked_reachable++;
    return message_put_word(stream_out(&client->stream), client->framer.framing, WORD_REACHABLE);
}

static int handle_reachable(FtClient *client, const Message *message) {
    Reachability reachability;
    char text[ENDPOINT_TEXT_MAX];
    Endpoint address;

    if (client->state != FT_JOINED || client->asked_reachable == 0 ||
        message_reachable(message, &reachability, &address) < 0)
        return 0;
    client->asked_reachable--;
    endpoint_format(&address, text);
    if (reachability == REACHABLE_NO)
        log_event(
            LOG_WARNING, &(LogFields){.id = EVENT_UNREACHABLE, .peer = text},
            "The FileTracker cannot connect to this peer at %s: others will find its files, but "
            "probably not "
            "get them. "
            "Open TCP port %u in the firewall, or forward it in the router; then: p2pctl join",
            text, address.port);
    else if (reachability != client->reachability)
        log_info("Reachable at %s%s", text,
                 reachability == REACHABLE_YES ? ", the FileTracker has tried it" : "");
    client->reachability = reachability;
    client->address = address;
    if (client->hooks.on_state)
        client->hooks.on_state(client->hooks.userdata);
    return 0;
}

static int finish_joining(FtClient *client) {
    char text[ENDPOINT_TEXT_MAX], ft[FT_CLIENT_TEXT_MAX];
    int r;

    endpoint_format(&client->address, text);
    log_limited(&client->joined_log, LOG_INFO,
                &(LogFields){.id = EVENT_JOINED, .peer = ft_client_name(client, ft)},
                "Joined %s as %s", ft, text);
    ft_client_joined(client);
    ft_client_set_state(client, FT_JOINED, "%s", "");
    r = ft_session_ask_reachable(client);
    return r < 0 ? r : ft_session_search(client);
}

static int handle_hi(FtClient *client) {
    int r;

    client->address = find_own_address(client);
    client->joined_at = time_monotonic();
    client->served = client->knows_roots = false;
    client->asked_reachable = 0;
    client->reachability = REACHABLE_UNKNOWN;
    client->logged = 0;
    // In RAW only a silence separates the records from the first search.
    client->settled = client->framer.framing == FRAMING_LINE;
    ft_publisher_begin(&client->publisher, client->framer.framing, session_syntax(client),
                       &client->address);
    r = ft_session_tell(client);
    if (r < 0)
        return r;
    if (client->publisher.awaiting) {
        ft_client_set_state(client, FT_TELLING,
                            "the FileTracker has not confirmed the records yet");
        return 0;
    }
    r = client->settled ? 0 : stream_set_timeout(&client->stream, 2 * SILENCE_RAW_USEC);
    return r < 0 ? r : finish_joining(client);
}

// Only where something has changed: shares may come and go all day.
static void log_published(FtClient *client) {
    bool full = client->publisher.count >= ft_publisher_limit(&client->publisher);
    size_t count = client->publisher.count;

    if (count != client->logged)
        log_info("The FileTracker has %zu file%s of this peer%s", count, count == 1 ? "" : "s",
                 full ? ", and keeps no more" : "");
    client->logged = count;
}

// What FT holds has become known; on to what it has not been told yet.
static int go_on_telling(FtClient *client) {
    int r;

    r = ft_session_tell(client);
    if (r < 0 || client->publisher.awaiting)
        return r;
    log_published(client);
    if (client->hooks.on_state)
        client->hooks.on_state(client->hooks.userdata);
    return 0;
}

static int handle_kept(FtClient *client, const Message *message) {
    uint64_t n;
    int r;

    if (!client->publisher.awaiting || message_kept(message, &n) < 0)
        return 0;
    client->knows_roots = true;
    if (client->state == FT_TELLING) {
        r = finish_joining(client);
        if (r < 0)
            return r;
    }
    return ft_publisher_kept(&client->publisher, n) ? go_on_telling(client) : arm_kept(client);
}

static int handle_message(FtClient *client, const Message *message) {
    if (message->kind == MESSAGE_EMPTY)
        return 0;
    if (client->state == FT_GREETING)
        return message->kind == MESSAGE_HI ? handle_hi(client) : -EPROTO;
    if (message->kind == MESSAGE_KEPT)
        return handle_kept(client, message);
    if (message->kind == MESSAGE_REACHABLE_IS)
        return handle_reachable(client, message);
    // Words of its own, from an FT that does not know us, answer a search as much as NOT FOUND does.
    if (!ft_search_queue_answer(&client->searches, message))
        return 0;
    client->served = true;
    return ft_session_search(client);
}

static int on_connected(Stream *stream) {
    FtClient *client = container_of(stream, FtClient, stream);
    bool guess = client->framer.framing == FRAMING_LINE && client->dialect == DIALECT_AUTO;
    int r;

    r = message_put_word(stream_out(stream), client->framer.framing, WORD_HELLO);
    if (r < 0)
        return r;
    stream_keep_alive(stream);
    client->greet_deadline = time_monotonic() + GREET_USEC;
    ft_client_set_state(client, FT_GREETING, "the FileTracker has not answered yet");
    return stream_set_timeout(stream, !guess             ? GREET_USEC
                                      : client->was_ours ? GREET_AGAIN_USEC
                                                         : SILENCE_HELLO_USEC);
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

    if (client->state != FT_JOINED && stream_unconsumed(stream)->size == 0)
        return -ETIMEDOUT;
    if (client->framer.framing == FRAMING_LINE) {
        if (!client->publisher.answered)
            return -ETIMEDOUT;
        ft_publisher_settle(&client->publisher);
        r = go_on_telling(client);
        return r < 0 ? r : stream_flush(stream);
    }
    client->quiet = true;
    r = stream_reconsider(stream);
    client->quiet = false;
    if (r < 0 || client->state != FT_JOINED)
        return r;
    client->settled = true;
    r = ft_session_search(client);
    return r < 0 ? r : stream_flush(stream);
}

const StreamOps ft_session_ops = {
    .on_data = on_data,
    .on_timeout = on_timeout,
    .on_connected = on_connected,
    .on_closed = ft_client_lost,
};
