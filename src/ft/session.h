// SPDX-License-Identifier: MIT
#pragma once

// FT's side of one connection. Decides what the peer may do, following the state diagram in
// proto/protocol.h.

#include <stdbool.h>
#include <stdint.h>

#include "ft/admission.h"
#include "ft/index.h"
#include "ft/prober.h"
#include "net/stream.h"
#include "proto/framing.h"
#include "proto/record-syntax.h"
#include "util/macro.h"

typedef struct Ft Ft;
typedef struct SavedSession SavedSession; // ft-state.h

typedef enum SessionState {
    SESSION_CONNECTED,
    SESSION_GREETED,
    SESSION_ACCEPTED,
    SESSION_REJECTED,
} SessionState;

// There may be a million sessions, and most are silent. What is only needed while one is active is
// in its stream.
typedef struct Session {
    Stream stream;
    Ft *ft;
    TAILQ_ENTRY(Session) link; // in ft->waiting or ft->accepted
    IndexOwner *owner;         // holds its records; NULL until the first one
    union {                    // CLOCK_MONOTONIC µs
        uint64_t deadline;     // not accepted: must be accepted by then
        uint64_t search_due;   // accepted: when its next search would be on time
    };
    union {
        Probe *probe; // while `probing`
        // CLOCK_MONOTONIC µs: when the last probe ended; 0: there was none.
        uint64_t probed_at;
    };
    SiteId site;
    uint32_t since; // when it was accepted, in seconds since the epoch

    // How the peer wrote its first records. Rooted if any of its records was.
    RecordSyntax syntax;
    Framing framing : 8;
    SessionState state : 8;
    Reachability reachability : 8;
    bool quiet : 1;          // the silence that completes a message has passed
    bool changed : 1;        // records or REMOVE have arrived since the last KEPT
    bool slowed : 1;         // its next search must wait, with all that is behind it
    bool waits : 1;          // waits for its turn, with all that it has sent
    bool may_find : 1;       // has its turn now, and may have one FIND answered
    bool find_paid : 1;      // search-rate has been charged for the first FIND
    bool probing : 1;        // see `probe`
    bool asks_reachable : 1; // asked with REACHABLE and has no answer yet
} Session;

TAILQ_HEAD(SessionList, Session);

typedef struct SessionList SessionList;

// Writes the answer to a search. It is sent at the end of the batch.
void session_answer(Session *session, const Record results[], size_t n);

// Takes ownership of the fd. If that fails (out of memory), the connection is closed. Nothing is
// returned, because the caller could do nothing about it.
void session_new(Ft *ft, int fd, const Endpoint *remote);
Session *session_free(Session *session);
DEFINE_CLEANUP_FUNC(Session, session_free)

// Describes the session for the next FT, except its records. *ret borrows from the session.
void session_save(const Session *session, SavedSession *ret);
// Restores a session of the previous FT. Takes ownership of the fd in any case. Add its records
// next, then call session_resume(). NULL: it could not be created.
Session *session_restore(Ft *ft, int fd, const SavedSession *saved);
// As index_add(). Counts the record for the session's site.
int session_add_record(Session *session, const Record *record);
// 0, or -errno: the caller frees the session.
int session_resume(Session *session, const SavedSession *saved);
