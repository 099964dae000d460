// SPDX-License-Identifier: MIT
#pragma once

// FT's side of one connection: who may do what is decided here, in the state diagram of
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

// There may be a million of them, most of which are silent: what they have only while they say something is in the stream.
typedef struct Session {
    Stream stream;
    Ft *ft;
    TAILQ_ENTRY(Session) link; // in ft->waiting or ft->accepted
    IndexOwner *owner;         // of its records; NULL until the first one
    union {                    // CLOCK_MONOTONIC µs
        uint64_t deadline;     // to be accepted by then
        uint64_t search_due;   // accepted: when its next search would be on time
    };
    union {
        Probe *probe;       // while `probing`
        uint64_t probed_at; // CLOCK_MONOTONIC µs: when the last one ended; 0: none has
    };
    SiteId site;
    uint32_t since;      // accepted at, seconds since the epoch
    RecordSyntax syntax; // as the peer wrote its first records; rooted if any of them was
    Framing framing : 8;
    SessionState state : 8;
    Reachability reachability : 8;
    bool quiet : 1;          // the silence that completes a message has passed
    bool changed : 1;        // records or REMOVE have come since the last KEPT
    bool slowed : 1;         // its next search has to wait, and so does all behind it
    bool waits : 1;          // for its turn, with all that it has sent
    bool may_find : 1;       // it is its turn: for one FIND
    bool find_paid : 1;      // the FIND at the front has been counted as a search
    bool probing : 1;        // see `probe`
    bool asks_reachable : 1; // it is to be told the result
} Session;

TAILQ_HEAD(SessionList, Session);

// Writes the answer to a search, and sends it soon.
void session_answer(Session *session, const Record results[], size_t n);
typedef struct SessionList SessionList;

// Takes over the fd. Out of memory and the like end the connection; nothing is returned, because
// nobody could do anything about it.
void session_new(Ft *ft, int fd, const Endpoint *remote);
Session *session_free(Session *session);
DEFINE_CLEANUP_FUNC(Session, session_free)

// What the next FT has to know of it, but for its records; borrows what the session holds.
void session_save(const Session *session, SavedSession *ret);
// A session of the FT before this one: takes over the fd, whatever the result. Its records are added then,
// before session_resume(), with which it goes on. NULL: out of memory and the like.
Session *session_restore(Ft *ft, int fd, const SavedSession *saved);
int session_add_record(Session *session,
                       const Record *record); // as index_add(); counted for its address
int session_resume(Session *session,
                   const SavedSession *saved); // 0, or a negative errno to free it
