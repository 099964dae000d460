// SPDX-License-Identifier: MIT
#pragma once

// The FileTracker: owns the sockets, the sessions and the index.

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/daemon.h"
#include "ft/admission.h"
#include "ft/ft-config.h"
#include "ft/index.h"
#include "ft/prober.h"
#include "ft/search-queue.h"
#include "ft/session.h"
#include "ft/slab.h"
#include "net/listener.h"
#include "net/poller.h"
#include "util/log.h"

enum {
    FT_LISTENERS_MAX = 16,
};

// Why something was dropped; counted, and shown on D-Bus by these names.
typedef enum FtRefusal {
    REFUSED_NO_HELLO,     // the first message was something else
    REFUSED_NOT_ACCEPTED, // asked for a service without having a record accepted
    REFUSED_TIMEOUT,      // said too little for too long
    REFUSED_BAD_RECORD,   // one record: not parseable, or a field was impossible
    REFUSED_OVER_LIMIT,   // one record: the peer has max-files-per-peer already
    REFUSED_BAD_NAME,     // one search
    REFUSED_TOO_LONG,     // a message over the limit
    REFUSED_SLOW_READER,  // answers piled up
    REFUSED_FULL,         // max-peers connections
    REFUSED_DENIED,       // an address that may not connect
    REFUSED_ADDRESS_FULL, // max-peers-per-address connections
    REFUSED_HANDSHAKES,   // too many that are not accepted, of one address or of all
    REFUSED_ADDRESS_OVER, // one record: the address has max-files-per-address already
    REFUSED_INDEX_FULL,   // one record: FT has max-records already
    REFUSED_TOO_FAST,     // searches over search-rate: answered later
    REFUSED_KICKED,       // an administrator wanted so
    _REFUSED_COUNT,
} FtRefusal;

const char *ft_refusal_name(FtRefusal refusal);

struct Ft {
    sd_event *event;
    Poller *poller;
    Listener *listeners[FT_LISTENERS_MAX];
    size_t listener_count;
    FtConfig config;
    const char *restart_needed[3]; // keys that have changed and wait for a restart, then NULL
    Index *index;
    SearchQueue search_queue;
    Prober *prober;
    Admission *admission;
    Slab session_memory;
    unsigned turn_work; // of the session whose turn it is: bytes of messages, or what takes as long
    uint64_t held_most; // bytes that the sessions' buffers have had since memory was given back
    struct {            // ft_is_local()
        IpAddress address;
        bool is_local;
        uint64_t until; // CLOCK_MONOTONIC µs
    } local;
    SessionList waiting;  // not accepted, the oldest first
    SessionList accepted; // in no order
    uint32_t waiting_count, accepted_count;
    uint64_t searches, joins;
    uint64_t refused[_REFUSED_COUNT];
    LogLimit refused_log[_REFUSED_COUNT];
    sd_event_source *refused_timer; // while some were not logged
    sd_event_source *status_timer;
    sd_bus *bus; // NULL: FT works without one
    bool bus_of_user;
    sd_event_source *bus_retry;
    uint64_t bus_retry_usec;
    Daemon *daemon; // to be reloaded
};

// Takes the configuration over, on success only. 0 or -errno.
int ft_new(sd_event *event, FtConfig *config, Ft **ret);
Ft *ft_free(Ft *ft);
DEFINE_CLEANUP_FUNC(Ft, ft_free)

// Listens on the `n` sockets, which it takes over, or else on one of its own; logs why not. 0 or -errno.
int ft_listen(Ft *ft, int fds[], size_t n);

// Takes over new limits. What cannot change while running is said in the log.
void ft_reconfigure(Ft *ft, FtConfig *config); // takes it over

// Ends the sessions of an address, or of one endpoint (port > 0); returns how many.
unsigned ft_kick(Ft *ft, const Endpoint *whom);

void ft_close_sessions(Ft *ft);

// The memory that FT takes, in bytes, counted from what it has allocated. Not in it: what the kernel has for each socket,
// what libraries have, and the program itself.
typedef struct FtMemory {
    uint64_t records;
    uint64_t words;    // what searches by words need beside the records
    uint64_t sessions; // without their buffers
    uint64_t buffers;  // what has come or is to be sent, of all sessions
} FtMemory;

FtMemory ft_memory(const Ft *ft);

// Counts it, and logs some of them.
void ft_count_refusal(Ft *ft, const Endpoint *remote, FtRefusal refusal);

// Whether it is an address of this machine; what the kernel said last counts for a second.
bool ft_is_local(Ft *ft, const IpAddress *address);

// What sessions report of themselves.
void ft_session_added(Ft *ft, Session *session);
void ft_session_accepted(Ft *ft, Session *session);
void ft_session_removed(Ft *ft, Session *session);
