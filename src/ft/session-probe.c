// SPDX-License-Identifier: MIT

#include "ft/session-probe.h"

#include "ft/ft.h"
#include "proto/message.h"
#include "util/time-util.h"

// Short enough for somebody who has just opened a firewall, and too long to make FT knock often.
static const uint64_t PROBE_AGAIN_USEC = 60 * USEC_PER_SEC;

int session_tell_reachable(Session *session) {
    session->asks_reachable = false;
    return message_put_reachable(stream_out(&session->stream), session->framing,
                                 session->reachability, index_owner_endpoint(session->owner));
}

static void session_on_probed(Reachability result, void *userdata) {
    Session *session = userdata;

    session->probing = false;
    session->probed_at = time_monotonic();
    session->reachability = result;
    index_owner_set_last(session->owner, result == REACHABLE_NO);
    // If flushing fails here, the next write to this stream fails as well and closes it.
    if (session->asks_reachable && session_tell_reachable(session) >= 0)
        (void)stream_flush(&session->stream);
}

int session_probe(Session *session, uint64_t again_usec) {
    uint64_t now = time_monotonic();
    Probe *probe;
    int r;

    if (session->probing || !session->ft->config.probe || !session->syntax.rooted ||
        session->framing != FRAMING_LINE ||
        (session->probed_at > 0 && now - session->probed_at < again_usec))
        return 0;
    r = prober_try(session->ft->prober, session->site, index_owner_endpoint(session->owner),
                   session_on_probed, session, &probe);
    if (r < 0)
        return r;
    session->probing = true;
    session->probe = probe;
    return 0;
}

int session_answer_reachable(Session *session) {
    int r;

    if (!session->syntax.rooted || session->framing != FRAMING_LINE)
        return 0;
    r = session_probe(session, PROBE_AGAIN_USEC);
    session->asks_reachable = true;
    return r < 0 || session->probing ? r : session_tell_reachable(session);
}
