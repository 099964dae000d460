// SPDX-License-Identifier: MIT

#include "peer/tracker/tracker-internal.h"

#include <string.h>

#include "proto/message.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"

static const uint64_t GREET_USEC = 10 * USEC_PER_SEC;
// FT understood LINE before and may just be restarting. Wait longer, so that its silence does not
// make the peer switch to RAW.
static const uint64_t GREET_AGAIN_USEC = 3 * USEC_PER_SEC;
// Timeouts for KEPT: the first one, which shows whether FT knows roots at all; the rest of an
// answer that has begun; and any other.
static const uint64_t KEPT_FIRST_USEC = 3 * USEC_PER_SEC;
static const uint64_t KEPT_REST_USEC = USEC_PER_SEC;
static const uint64_t KEPT_USEC = 30 * USEC_PER_SEC;

static Endpoint tracker_session_find_own_address(const Tracker *tracker) {
    Endpoint own = tracker->listen;
    SocketAddress sockaddr = {};
    socklen_t len = sizeof(sockaddr);
    IpAddress host;

    if (!address_is_any(&own.address))
        return own;
    if (getsockname(tracker->stream.fd, &sockaddr.sa, &len) >= 0)
        own.address = endpoint_from_sockaddr(&sockaddr).address;
    // An FT on this machine is connected over loopback, but other machines cannot reach this peer
    // there.
    if (address_is_loopback(&own.address) &&
        (address_of_host(own.address.family, &host) >= 0 || address_of_host(AF_INET, &host) >= 0 ||
         address_of_host(AF_INET6, &host) >= 0))
        own.address = host;
    return own;
}

static const RecordSyntax *tracker_session_syntax(const Tracker *tracker) {
    return tracker->way == WAY_RAW     ? &record_syntax_authors
           : tracker->way == WAY_PLAIN ? &record_syntax_own
                                       : &record_syntax_rooted;
}

// Sets the timeout for FT's answer to the records that it was told.
static int tracker_session_arm_kept(Tracker *tracker) {
    const TrackerPublisher *publisher = &tracker->publisher;

    return stream_set_timeout(&tracker->stream, !publisher->awaiting    ? 0
                                                : !tracker->knows_roots ? KEPT_FIRST_USEC
                                                : publisher->answered   ? KEPT_REST_USEC
                                                                        : KEPT_USEC);
}

int tracker_session_tell(Tracker *tracker) {
    int r;

    if (tracker->publisher.awaiting)
        return 0; // continues when FT has answered
    r = tracker_publisher_write(&tracker->publisher, stream_out(&tracker->stream));
    return r < 0 || tracker->framer.framing == FRAMING_RAW ? r : tracker_session_arm_kept(tracker);
}

int tracker_session_search(Tracker *tracker) {
    if (!tracker->settled)
        return 0;
    return tracker_search_queue_send(&tracker->searches, stream_out(&tracker->stream),
                                     tracker->framer.framing, tracker->knows_roots);
}

int tracker_session_ask_reachable(Tracker *tracker) {
    if (!tracker->knows_roots || tracker->framer.framing != FRAMING_LINE)
        return 0;
    tracker->asked_reachable++;
    return message_put_word(stream_out(&tracker->stream), tracker->framer.framing, WORD_REACHABLE);
}

static int tracker_session_handle_reachable(Tracker *tracker, const Message *message) {
    Reachability reachability;
    char text[ENDPOINT_TEXT_MAX];
    Endpoint address;

    if (tracker->state != TRACKER_JOINED || tracker->asked_reachable == 0 ||
        message_reachable(message, &reachability, &address) < 0)
        return 0;
    tracker->asked_reachable--;
    endpoint_format(&address, text);
    if (reachability == REACHABLE_NO)
        log_event(
            LOG_WARNING, &(LogFields){.id = EVENT_UNREACHABLE, .peer = text},
            "The FileTracker cannot connect to this peer at %s: others will find its files, but "
            "probably not "
            "get them. "
            "Open TCP port %u in the firewall, or forward it in the router; then: p2pctl join",
            text, address.port);
    else if (reachability != tracker->reachability)
        log_info("Reachable at %s%s", text,
                 reachability == REACHABLE_YES ? ", the FileTracker has tried it" : "");
    tracker->reachability = reachability;
    tracker->address = address;
    if (tracker->hooks.on_state)
        tracker->hooks.on_state(tracker->hooks.userdata);
    return 0;
}

static int tracker_session_finish_joining(Tracker *tracker) {
    char text[ENDPOINT_TEXT_MAX], ft[TRACKER_TEXT_MAX];
    int r;

    endpoint_format(&tracker->address, text);
    log_limited(&tracker->joined_log, LOG_INFO,
                &(LogFields){.id = EVENT_JOINED, .peer = tracker_name(tracker, ft)},
                "Joined %s as %s", ft, text);
    tracker_joined(tracker);
    tracker_set_state(tracker, TRACKER_JOINED, "%s", "");
    r = tracker_session_ask_reachable(tracker);
    return r < 0 ? r : tracker_session_search(tracker);
}

static int tracker_session_handle_hi(Tracker *tracker) {
    int r;

    tracker->address = tracker_session_find_own_address(tracker);
    tracker->joined_at = time_monotonic();
    tracker->served = tracker->knows_roots = false;
    tracker->asked_reachable = 0;
    tracker->reachability = REACHABLE_UNKNOWN;
    tracker->logged = 0;
    // In RAW, only a silence separates the records from the first search.
    tracker->settled = tracker->framer.framing == FRAMING_LINE;
    tracker_publisher_begin(&tracker->publisher, tracker->framer.framing,
                            tracker_session_syntax(tracker), &tracker->address);
    r = tracker_session_tell(tracker);
    if (r < 0)
        return r;
    if (tracker->publisher.awaiting) {
        tracker_set_state(tracker, TRACKER_TELLING,
                          "the FileTracker has not confirmed the records yet");
        return 0;
    }
    r = tracker->settled ? 0 : stream_set_timeout(&tracker->stream, 2 * SILENCE_RAW_USEC);
    return r < 0 ? r : tracker_session_finish_joining(tracker);
}

// Logs the number of published files only if it changed: shares may come and go all day.
static void tracker_session_log_published(Tracker *tracker) {
    bool full = tracker->publisher.count >= tracker_publisher_limit(&tracker->publisher);
    size_t count = tracker->publisher.count;

    if (count != tracker->logged)
        log_info("The FileTracker has %zu file%s of this peer%s", count, count == 1 ? "" : "s",
                 full ? ", and keeps no more" : "");
    tracker->logged = count;
}

// Continues with the next batch, now that the peer knows what FT holds.
static int tracker_session_go_on_telling(Tracker *tracker) {
    int r;

    r = tracker_session_tell(tracker);
    if (r < 0 || tracker->publisher.awaiting)
        return r;
    tracker_session_log_published(tracker);
    if (tracker->hooks.on_state)
        tracker->hooks.on_state(tracker->hooks.userdata);
    return 0;
}

static int tracker_session_handle_kept(Tracker *tracker, const Message *message) {
    uint64_t n;
    int r;

    if (!tracker->publisher.awaiting || message_kept(message, &n) < 0)
        return 0;
    tracker->knows_roots = true;
    if (tracker->state == TRACKER_TELLING) {
        r = tracker_session_finish_joining(tracker);
        if (r < 0)
            return r;
    }
    return tracker_publisher_kept(&tracker->publisher, n) ? tracker_session_go_on_telling(tracker)
                                                          : tracker_session_arm_kept(tracker);
}

static int tracker_session_handle_message(Tracker *tracker, const Message *message) {
    if (message->kind == MESSAGE_EMPTY)
        return 0;
    if (tracker->state == TRACKER_GREETING)
        return message->kind == MESSAGE_HI ? tracker_session_handle_hi(tracker) : -EPROTO;
    if (message->kind == MESSAGE_KEPT)
        return tracker_session_handle_kept(tracker, message);
    if (message->kind == MESSAGE_REACHABLE_IS)
        return tracker_session_handle_reachable(tracker, message);
    // A foreign FT may answer a search in its own words: that counts as NOT FOUND.
    if (!tracker_search_queue_answer(&tracker->searches, message))
        return 0;
    tracker->served = true;
    return tracker_session_search(tracker);
}

static int tracker_session_on_connected(Stream *stream) {
    Tracker *tracker = container_of(stream, Tracker, stream);
    bool guess = tracker->framer.framing == FRAMING_LINE && tracker->dialect == DIALECT_AUTO;
    int r;

    r = message_put_word(stream_out(stream), tracker->framer.framing, WORD_HELLO);
    if (r < 0)
        return r;
    stream_keep_alive(stream);
    tracker->greet_deadline = time_monotonic() + GREET_USEC;
    tracker_set_state(tracker, TRACKER_GREETING, "the FileTracker has not answered yet");
    return stream_set_timeout(stream, !guess              ? GREET_USEC
                                      : tracker->was_ours ? GREET_AGAIN_USEC
                                                          : SILENCE_HELLO_USEC);
}

// The peer recognizes HI from a RAW FT without waiting for the silence behind it.
static bool tracker_session_is_raw_hi(const Tracker *tracker, const char *data, size_t len) {
    return tracker->state == TRACKER_GREETING && tracker->framer.framing == FRAMING_RAW &&
           len >= strlen(WORD_HI) && memcmp(data, WORD_HI, strlen(WORD_HI)) == 0;
}

static int tracker_session_on_data(Stream *stream, const char *data, size_t len, bool eof,
                                   size_t *ret_consumed) {
    Tracker *tracker = container_of(stream, Tracker, stream);
    FrameResult result = FRAME_MESSAGE;
    size_t done = 0;
    uint64_t now;

    while (result == FRAME_MESSAGE) {
        const char *text = data + done;
        size_t text_len = strlen(WORD_HI), consumed = text_len;
        Message message;
        int r;

        if (!tracker_session_is_raw_hi(tracker, text, len - done))
            result = frame_next(&tracker->framer, text, len - done, tracker->quiet || eof, &text,
                                &text_len, &consumed);
        if (result == FRAME_TOO_LONG)
            return -EPROTO;
        if (result != FRAME_MESSAGE)
            break;
        message = message_parse(text, text_len);
        r = tracker_session_handle_message(tracker, &message);
        if (r < 0)
            return r;
        done += consumed;
    }
    *ret_consumed = done;
    if (eof)
        return -ESHUTDOWN;
    now = time_monotonic();
    if (tracker->state == TRACKER_GREETING && now >= tracker->greet_deadline)
        return -ETIMEDOUT; // bytes arrived, but no HI
    if (result == FRAME_MORE_OR_QUIET)
        return stream_set_timeout(stream, SILENCE_RAW_USEC);
    if (tracker->state == TRACKER_GREETING && tracker->quiet)
        return stream_set_timeout(stream, tracker->greet_deadline - now);
    return 0;
}

static int tracker_session_on_timeout(Stream *stream) {
    Tracker *tracker = container_of(stream, Tracker, stream);
    int r;

    if (tracker->state != TRACKER_JOINED && stream_unconsumed(stream)->size == 0)
        return -ETIMEDOUT;
    if (tracker->framer.framing == FRAMING_LINE) {
        if (!tracker->publisher.answered)
            return -ETIMEDOUT;
        tracker_publisher_settle(&tracker->publisher);
        r = tracker_session_go_on_telling(tracker);
        return r < 0 ? r : stream_flush(stream);
    }
    tracker->quiet = true;
    r = stream_reconsider(stream);
    tracker->quiet = false;
    if (r < 0 || tracker->state != TRACKER_JOINED)
        return r;
    tracker->settled = true;
    r = tracker_session_search(tracker);
    return r < 0 ? r : stream_flush(stream);
}

const StreamOps tracker_session_ops = {
    .on_data = tracker_session_on_data,
    .on_timeout = tracker_session_on_timeout,
    .on_connected = tracker_session_on_connected,
    .on_closed = tracker_lost,
};
