// SPDX-License-Identifier: MIT

#include "ft/session.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ft/ft-state.h"
#include "ft/ft.h"
#include "ft/session-probe.h"
#include "proto/find.h"
#include "proto/message.h"
#include "util/log.h"
#include "util/time-util.h"

enum {
    // Thousands of searches may arrive at once, and an answer can be a thousand times as long as
    // its search. Send before all are answered, and stop answering a session that does not read its
    // answers.
    OUT_BYTES_AT_ONCE = 64 * 1024,
    // A result beside 0: handle this message, and those behind it, later.
    MESSAGE_WAITS = 1,
    // Bytes of one session that FT handles before other sessions get their turn. If all are
    // searches, this takes a few milliseconds. It is more than a peer sends at once to search for a
    // hundred files.
    TURN_WORK = 8 * 1024,
};

// Time to say HELLO and send a record. Long enough to type both by hand while debugging.
static const uint64_t ACCEPT_USEC = 20 * USEC_PER_SEC;
// How long a rejected peer stays connected.
static const uint64_t REJECT_USEC = 2 * USEC_PER_SEC;

// What a quiet session may ask for at once, in seconds of search-rate: a peer that starts many
// downloads searches for all of them.
static const uint64_t SEARCH_BURST_USEC = 2 * USEC_PER_SEC;

static void session_reject(Session *session, FtRefusal refusal) {
    ft_count_refusal(session->ft, &session->stream.remote, refusal);
    session->state = SESSION_REJECTED;
    session->deadline = MIN(session->deadline, time_monotonic() + REJECT_USEC);
}

static void session_accept(Session *session) {
    session->state = SESSION_ACCEPTED;
    session->since = (uint32_t)time(NULL);
    session->search_due = 0;
    ft_session_accepted(session->ft, session);
}

// FT publishes the address that it sees. Only a peer on FT's own machine may name another address
// of that machine, because FT sees it at a loopback address, which is useless to everybody else.
static IpAddress session_published_address(Session *session, const IpAddress *claimed) {
    const IpAddress *seen = &session->stream.remote.address;

    if (!address_is_loopback(seen))
        return *seen;
    return ft_is_local(session->ft, claimed) ? *claimed : *seen;
}

// Whether the limits allow this record. A record that the session already has is always allowed.
static bool session_may_add(Session *session, const Record *record) {
    Ft *ft = session->ft;
    const FtConfig *config = &ft->config;
    FtRefusal refusal;

    if (index_owner_count(session->owner) == 0)
        // However full FT is: without a record the peer could not search. There are at most as many
        // as peers.
        return true;
    if (index_owner_count(session->owner) >= config->max_files_per_peer)
        refusal = REFUSED_OVER_LIMIT;
    else if (admission_site(ft->admission, session->site)->records >=
                 config->max_files_per_address &&
             !prefix_list_contains(&config->limit_exempt, &session->stream.remote.address))
        refusal = REFUSED_ADDRESS_OVER;
    else if (index_records(ft->index) >= config->max_records)
        refusal = REFUSED_INDEX_FULL;
    else
        return true;
    if (index_has(ft->index, session->owner, record))
        return true;
    ft_count_refusal(ft, &session->stream.remote, refusal);
    return false;
}

int session_add_record(Session *session, const Record *record) {
    size_t before = index_owner_count(session->owner);
    int r = index_add(session->ft->index, session->owner, record);

    admission_site(session->ft->admission, session->site)->records +=
        index_owner_count(session->owner) - before;
    return r;
}

static int session_add_records(Session *session, const Message *message) {
    RecordList list = record_list(message->argument, message->argument_len);
    bool learnt = session->state == SESSION_ACCEPTED; // even if it has removed all its records
    const char *text;
    size_t len;

    while (record_list_next(&list, &text, &len)) {
        RecordSyntax syntax;
        RecordText storage;
        Record record;
        int r;

        if (record_parse(text, len, &storage, &record, &syntax) < 0) {
            ft_count_refusal(session->ft, &session->stream.remote, REFUSED_BAD_RECORD);
            continue;
        }
        if (learnt)
            session->syntax.rooted |= syntax.rooted;
        if (!session->owner && !(session->owner = index_owner_new(session->ft->index)))
            return -ENOMEM;
        if (!session_may_add(session, &record))
            continue;
        record.endpoint.address = session_published_address(session, &record.endpoint.address);
        r = session_add_record(session, &record);
        if (r < 0)
            return r;
        if (!learnt)
            session->syntax = syntax;
        learnt = true;
    }
    // Only the end of the list shows how the writer separates records.
    if (session->state == SESSION_GREETED && index_owner_count(session->owner) > 0) {
        record_list_learn(&list, &session->syntax);
        session_accept(session);
    }
    return 0;
}

void session_answer(Session *session, const Record results[], size_t n) {
    Stream *stream = &session->stream;
    int r;

    r = message_put_found(stream_out(stream), session->framing, &session->syntax, results, n);
    if (r < 0)
        stream_fail_later(stream, r);
    else
        stream_flush_later(stream);
}

// In RAW a message is complete after a silence, so no other search comes with it.
static void session_add_search(Session *session, const Message *message) {
    SearchQueue *queue = &session->ft->search_queue;

    if (search_queue_add(queue, session, message) < 0)
        ft_count_refusal(session->ft, &session->stream.remote, REFUSED_BAD_NAME);
    session->ft->searches++;
    if (session->framing == FRAMING_RAW || search_queue_is_full(queue))
        search_queue_run(queue);
}

static int session_remove_record(Session *session, const Message *message) {
    RecordText storage;
    Record record;

    if (record_parse_file(message->argument, message->argument_len, &storage, &record) < 0)
        ft_count_refusal(session->ft, &session->stream.remote, REFUSED_BAD_RECORD);
    else if (index_remove(session->ft->index, session->owner, &record) >= 0)
        admission_site(session->ft->admission, session->site)->records--;
    return 0;
}

// Sends KEPT to a rooted session. One KEPT covers all changes since the last one, so a peer that
// sends a thousand records reads only a few numbers.
static int session_tell_kept(Session *session) {
    int r;

    if (!session->changed)
        return 0;
    session->changed = false;
    if (session->state != SESSION_ACCEPTED || !session->syntax.rooted)
        return 0;
    r = session_probe(session, UINT64_MAX);
    if (r < 0)
        return r;
    return message_put_kept(stream_out(&session->stream), session->framing,
                            index_owner_count(session->owner));
}

static int session_handle_connected(Session *session, const Message *message) {
    if (message->kind != MESSAGE_HELLO) {
        session_reject(session, REFUSED_NO_HELLO);
        return 0;
    }
    session->state = SESSION_GREETED;
    return message_put_word(stream_out(&session->stream), session->framing, WORD_HI);
}

static int session_handle_greeted(Session *session, const Message *message) {
    switch (message->kind) {
    case MESSAGE_RECORDS:
        session->changed = true;
        return session_add_records(session, message);
    case MESSAGE_BYE:
        return -ESHUTDOWN;
    case MESSAGE_HELLO:
        return 0;
    default:
        session_reject(session, REFUSED_NOT_ACCEPTED);
        return 0;
    }
}

// A token bucket, kept as the time at which the next search would be on time. An early search
// waits, and so does everything behind it: a late answer is right, an early NOT FOUND would be
// wrong.
static bool session_may_search(Session *session) {
    uint64_t rate = session->ft->config.search_rate, now;

    if (rate == 0)
        return true;
    now = time_monotonic();
    session->slowed = session->search_due > now + SEARCH_BURST_USEC;
    if (!session->slowed)
        session->search_due = MAX(session->search_due, now) + USEC_PER_SEC / rate;
    return !session->slowed;
}

static void session_wait_turn(Session *session) {
    session->waits = true;
    stream_yield(&session->stream);
}

// Each batch answers one FIND, whoever asks, because a FIND may take milliseconds.
static int session_answer_find(Session *session, const Message *message) {
    _cleanup_free_ FoundFile *files = NULL;
    Ft *ft = session->ft;
    FindSummary summary;
    FindRequest request;
    size_t n;

    if (session->framing != FRAMING_LINE || !index_has_words(ft->index))
        return 0;
    if (!session->find_paid && !session_may_search(session))
        return MESSAGE_WAITS;
    session->find_paid = !session->may_find;
    if (!session->may_find) {
        session_wait_turn(session);
        return MESSAGE_WAITS;
    }
    session->may_find = false;
    ft->searches++;
    if (find_parse(message, &request) < 0) {
        ft_count_refusal(ft, &session->stream.remote, REFUSED_BAD_NAME);
        request = (FindRequest){};
    }
    files = calloc(MAX(request.limit, (uint32_t)1), sizeof(*files));
    if (!files)
        return -ENOMEM;
    n = index_find_words(ft->index, &request, files, &summary);
    return matches_put(stream_out(&session->stream), &summary, files, n);
}

static int session_handle_accepted(Session *session, const Message *message) {
    int r;

    // Answers keep the order of the requests.
    if (message->kind != MESSAGE_SEARCH)
        search_queue_run(&session->ft->search_queue);
    switch (message->kind) {
    case MESSAGE_SEARCH:
        if (!session_may_search(session))
            return MESSAGE_WAITS;
        // In RAW, KEPT and the answer would run together.
        if (session->framing == FRAMING_RAW)
            session->changed = false;
        r = session_tell_kept(session);
        if (r >= 0)
            session_add_search(session, message);
        return r;
    case MESSAGE_RECORDS:
        session->changed = true;
        return session_add_records(session, message);
    case MESSAGE_REMOVE:
        session->changed = true;
        return session_remove_record(session, message);
    case MESSAGE_REACHABLE:
        r = session_tell_kept(session);
        return r < 0 ? r : session_answer_reachable(session);
    case MESSAGE_FIND:
        r = session_tell_kept(session);
        return r < 0 ? r : session_answer_find(session, message);
    case MESSAGE_BYE:
        return -ESHUTDOWN;
    default:
        return 0;
    }
}

// 0, MESSAGE_WAITS or -errno.
static int session_handle_message(Session *session, const char *data, size_t len) {
    const Message message = message_parse(data, len);

    if (message.kind == MESSAGE_EMPTY)
        return 0;
    switch (session->state) {
    case SESSION_CONNECTED:
        return session_handle_connected(session, &message);
    case SESSION_GREETED:
        return session_handle_greeted(session, &message);
    case SESSION_ACCEPTED:
        return session_handle_accepted(session, &message);
    case SESSION_REJECTED:
        break;
    }
    return 0;
}

// Sets the time at which something must happen although no byte arrives: a silence completes a
// message, or the time to be accepted ends.
static int session_arm_timeout(Session *session, bool incomplete) {
    uint64_t timeout = 0, now;

    if (session->state == SESSION_REJECTED)
        incomplete = false;
    if (incomplete)
        timeout = session->framing == FRAMING_UNKNOWN ? SILENCE_HELLO_USEC : SILENCE_RAW_USEC;
    if (session->state != SESSION_ACCEPTED) {
        now = time_monotonic();
        if (now >= session->deadline)
            return -ETIMEDOUT;
        if (timeout == 0 || timeout > session->deadline - now)
            timeout = session->deadline - now;
    }
    return stream_set_timeout(&session->stream, timeout);
}

// Waits until the first search is on time.
static int session_slow_down(Session *session) {
    uint64_t due = session->search_due, now = time_monotonic();

    ft_count_refusal(session->ft, &session->stream.remote, REFUSED_TOO_FAST);
    // Add a tenth of a second, so that FT wakes up for several searches and not for each.
    return stream_set_timeout(&session->stream,
                              due - MIN(due, now + SEARCH_BURST_USEC) + USEC_PER_SEC / 10);
}

static int session_send_meanwhile(Stream *stream) {
    int r;

    if (stream_unsent(stream)->size < OUT_BYTES_AT_ONCE)
        return 0;
    r = stream_flush(stream);
    return r < 0 || stream_unsent(stream)->size == 0 ? r : stream_hold(stream);
}

// Handles all complete messages. Sets *ret_incomplete if a silence would complete another one.
static int session_handle_messages(Session *session, const char *data, size_t len, bool quiet,
                                   size_t *ret_consumed, bool *ret_incomplete) {
    Framer framer = {FRAME_FROM_PEER, session->framing, (unsigned)session->ft->config.max_line};
    unsigned *work = &session->ft->turn_work;
    Stream *stream = &session->stream;
    size_t done = 0;

    *work = 0;
    *ret_incomplete = false;
    for (;;) {
        const char *message;
        size_t message_len, consumed;
        FrameResult result;
        int r;

        if (session->state == SESSION_REJECTED) {
            *ret_consumed = len; // ignore the rest
            return 0;
        }
        r = session_send_meanwhile(stream);
        if (r < 0 || stream_is_on_hold(stream)) {
            *ret_consumed = done;
            return r;
        }
        result =
            frame_next(&framer, data + done, len - done, quiet, &message, &message_len, &consumed);
        session->framing = framer.framing;
        if (result == FRAME_TOO_LONG) {
            ft_count_refusal(session->ft, &session->stream.remote, REFUSED_TOO_LONG);
            return -EMSGSIZE;
        }
        if (result != FRAME_MESSAGE) {
            *ret_incomplete = result == FRAME_MORE_OR_QUIET;
            *ret_consumed = done;
            return 0;
        }
        r = session_handle_message(session, message, message_len);
        if (r == MESSAGE_WAITS) {
            stream_pause(stream);
            *ret_consumed = done;
            return 0;
        }
        if (r < 0)
            return r;
        done += consumed;
        *work += consumed;
        if (*work >= TURN_WORK && done < len) {
            session_wait_turn(session);
            *ret_consumed = done;
            return 0;
        }
    }
}

static int session_on_data(Stream *stream, const char *data, size_t len, bool eof,
                           size_t *ret_consumed) {
    Session *session = container_of(stream, Session, stream);
    bool incomplete;
    int r;

    session->may_find = session->waits;
    session->waits = false;
    r = session_handle_messages(session, data, len, session->quiet || eof, ret_consumed,
                                &incomplete);
    session->may_find = false; // has been used, or there was no FIND
    if (r < 0 || eof)
        search_queue_run(&session->ft->search_queue); // nothing can be sent after this returns
    if (r >= 0 && !session->waits)                    // one KEPT for all changes
        r = session_tell_kept(session);
    if (r < 0 || stream_is_on_hold(stream))
        return r;
    return session->slowed ? session_slow_down(session) : session_arm_timeout(session, incomplete);
}

static int session_on_timeout(Stream *stream) {
    Session *session = container_of(stream, Session, stream);
    int r;

    if (session->slowed) {
        session->slowed = false;
        session_wait_turn(session);
    }
    if (session->waits)
        return session_arm_timeout(session, false);
    // Silence does not complete a line; only the time to be accepted may have ended.
    session->quiet = session->framing != FRAMING_LINE;
    r = stream_reconsider(stream);
    session->quiet = false;
    return r;
}

static void session_on_closed(Stream *stream, int error) {
    Session *session = container_of(stream, Session, stream);

    if (error == -ETIMEDOUT && session->state != SESSION_REJECTED)
        ft_count_refusal(session->ft, &session->stream.remote, REFUSED_TIMEOUT);
    else if (error == -ENOBUFS)
        ft_count_refusal(session->ft, &session->stream.remote, REFUSED_SLOW_READER);
    session_free(session);
}

static const StreamOps stream_ops = {
    .on_data = session_on_data,
    .on_timeout = session_on_timeout,
    .on_closed = session_on_closed,
};

// For a session that could not be created.
static void session_end_admission(Ft *ft, SiteId site) {
    admission_site(ft->admission, site)->handshakes--;
    admission_leave(ft->admission, site);
}

static Session *session_open(Ft *ft, int fd, const Endpoint *remote) {
    Session *session;
    SiteId site;

    if (admission_enter(ft->admission, &remote->address, &site) < 0) {
        close_fd(fd);
        return NULL;
    }
    session = slab_alloc(&ft->session_memory, sizeof(*session));
    if (!session) {
        session_end_admission(ft, site);
        close_fd(fd);
        return NULL;
    }
    *session = (Session){.ft = ft, .site = site, .deadline = time_monotonic() + ACCEPT_USEC};
    if (stream_accept(&session->stream, ft->poller, &stream_ops, fd, remote, ft->config.max_queue) <
        0) {
        session_end_admission(ft, site);
        slab_free(&ft->session_memory, session);
        return NULL;
    }
    stream_keep_alive(&session->stream);
    ft_session_added(ft, session);
    return session;
}

void session_new(Ft *ft, int fd, const Endpoint *remote) {
    Session *session = session_open(ft, fd, remote);

    if (session && session_arm_timeout(session, false) < 0)
        session_free(session);
}

void session_save(const Session *session, SavedSession *ret) {
    const Buffer *in = stream_unconsumed(&session->stream);
    const Buffer *out = stream_unsent(&session->stream);

    // Leaves out `changed`, as no KEPT is due between two events, and `quiet`, as the silence
    // starts again.
    *ret = (SavedSession){
        .remote = session->stream.remote,
        .state = session->state,
        .framing = session->framing,
        .syntax = session->syntax,
        .deadline = session->state == SESSION_ACCEPTED ? 0 : session->deadline,
        .since = session->since,
        .probed_at = session->probing ? 0 : session->probed_at,
        .reachability = session->reachability,
        .asks_reachable = session->asks_reachable,
        .probing = session->probing,
        .in = buffer_data(in),
        .in_len = in->size,
        .out = buffer_data(out),
        .out_len = out->size,
        .record_count = index_owner_count(session->owner),
    };
    if (session->state == SESSION_ACCEPTED)
        ret->endpoint = *index_owner_endpoint(session->owner);
}

Session *session_restore(Ft *ft, int fd, const SavedSession *saved) {
    _cleanup_(session_freep) Session *session = session_open(ft, fd, &saved->remote);

    if (!session)
        return NULL;
    session->framing = saved->framing;
    session->syntax = saved->syntax;
    session->deadline = MIN(saved->deadline, session->deadline);
    session->since = (uint32_t)saved->since;
    session->reachability = saved->reachability;
    session->asks_reachable = saved->asks_reachable;
    session->probed_at = saved->probing ? 0 : MIN(saved->probed_at, time_monotonic());
    if (stream_restore(&session->stream, saved->in, saved->in_len) < 0 ||
        buffer_append(stream_out(&session->stream), saved->out, saved->out_len) < 0)
        return NULL;
    if (saved->state == SESSION_ACCEPTED) {
        session->owner = index_owner_new(session->ft->index);
        if (!session->owner)
            return NULL;
        index_owner_set_endpoint(session->owner, &saved->endpoint);
    }
    return TAKE_PTR(session);
}

int session_resume(Session *session, const SavedSession *saved) {
    int r = 0;

    session->state = saved->state;
    if (session->state == SESSION_ACCEPTED) {
        session->search_due = 0;
        ft_session_accepted(session->ft, session);
        index_owner_set_last(session->owner, session->reachability == REACHABLE_NO);
        if (saved->probing)
            r = session_probe(session, 0);
        if (r >= 0 && session->asks_reachable && !session->probing)
            r = session_tell_reachable(session);
    }
    // Sends the rest of the answers, and waits for the silence behind a message, if there is one.
    return r < 0 ? r : stream_reconsider(&session->stream);
}

Session *session_free(Session *session) {
    Ft *ft;

    if (!session)
        return NULL;
    ft = session->ft;
    search_queue_forget(&ft->search_queue, session);
    if (session->probing)
        probe_free(session->probe);
    ft_session_removed(ft, session);
    index_owner_leave(ft->index, session->owner);
    stream_close(&session->stream);
    slab_free(&ft->session_memory, session);
    return NULL;
}
