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

typedef struct Session {
    Stream stream;
    Ft *ft;
    TAILQ_ENTRY(Session) link; // in ft->waiting or ft->accepted
    IndexOwner *owner;         // of its records; NULL until the first one
    SiteId site;
    Framer framer;
    SessionState state;
    bool quiet;          // the silence that completes a message has passed
    bool changed;        // records or REMOVE have come since the last KEPT
    bool slowed;         // its next search has to wait, and so does all behind it
    RecordSyntax syntax; // as the peer wrote its first records; rooted if any of them was
    uint64_t deadline;   // CLOCK_MONOTONIC µs: to be accepted by then
    uint64_t since;      // accepted at, µs since the epoch
    Probe *probe;        // under way, or NULL
    uint64_t probed_at;  // CLOCK_MONOTONIC µs: when the last one began; 0: none has
    Reachability reachability;
    bool asks_reachable;            // it is to be told the result
    uint64_t search_due;            // CLOCK_MONOTONIC µs: when its next search would be on time
    TAILQ_ENTRY(Session) turn_link; // in ft->turns, if it `waits`
    bool waits;                     // for its turn, with all that it has sent
    bool may_find;                  // it is its turn: for one FIND
    unsigned work;                  // of this turn, in bytes of messages, or what takes as long
    bool claimed_is_local; // `claimed` is an address of this machine, see published_address()
    IpAddress claimed;
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

// Goes on with what it has sent; may be its end.
void session_take_turn(Session *session);
