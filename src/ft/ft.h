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

// Why FT refused something. FT counts each and shows the counts on D-Bus.
typedef enum FtRefusal {
    REFUSED_NO_HELLO,     // the first message was not HELLO
    REFUSED_NOT_ACCEPTED, // asked before any of its records was accepted
    REFUSED_TIMEOUT,      // sent too little for too long
    REFUSED_BAD_RECORD,   // one record: cannot be parsed, or has an impossible field
    REFUSED_OVER_LIMIT,   // one record: the peer has max-files-per-peer already
    REFUSED_BAD_NAME,     // one search
    REFUSED_TOO_LONG,     // a message is longer than allowed
    REFUSED_SLOW_READER,  // does not read its answers
    REFUSED_FULL,         // max-peers connections are open
    REFUSED_DENIED,       // the address may not connect (allow, deny)
    REFUSED_ADDRESS_FULL, // the address has max-peers-per-address connections
    REFUSED_HANDSHAKES,   // too many are not accepted, of this address or of all
    REFUSED_ADDRESS_OVER, // one record: the address has max-files-per-address already
    REFUSED_INDEX_FULL,   // one record: FT has max-records already
    REFUSED_TOO_FAST,     // one search beyond search-rate: answered later
    REFUSED_KICKED,       // an administrator ended the session
    _REFUSED_COUNT,
} FtRefusal;

const char *ft_refusal_name(FtRefusal refusal);

struct Ft {
    sd_event *event;
    Poller *poller;
    Listener *listeners[FT_LISTENERS_MAX];
    size_t listener_count;
    FtConfig config;
    // Keys that have changed and take effect after a restart. NULL ends the list.
    const char *restart_needed[3];
    Index *index;
    SearchQueue search_queue;
    Prober *prober;
    Admission *admission;
    Slab session_memory;
    // Bytes of messages handled in the current session's turn; slow work counts as more bytes.
    unsigned turn_work;
    // The most that the buffers of all sessions have held since FT last returned memory, in bytes.
    uint64_t held_most;
    struct { // for ft_is_local()
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
    sd_event_source *refused_timer; // runs while refusals were not logged
    sd_event_source *status_timer;
    sd_bus *bus; // NULL: no bus
    bool bus_of_user;
    sd_event_source *bus_retry;
    uint64_t bus_retry_usec;
    Daemon *daemon; // for Reload; borrowed
};

// Takes ownership of the configuration on success. 0 or -errno.
int ft_new(sd_event *event, FtConfig *config, Ft **ret);
Ft *ft_free(Ft *ft);
DEFINE_CLEANUP_FUNC(Ft, ft_free)

// Takes ownership of the `n` sockets and listens on them, or opens one if there are none. Logs
// errors. 0 or -errno.
int ft_listen(Ft *ft, int fds[], size_t n);

// Takes ownership of a new configuration and applies it. Logs keys that need a restart.
void ft_reconfigure(Ft *ft, FtConfig *config);

// Ends all sessions of an address or, if port > 0, of one endpoint. Returns how many.
unsigned ft_kick(Ft *ft, const Endpoint *whom);

void ft_close_sessions(Ft *ft);

// Bytes of memory that FT has allocated. This does not include the kernel's memory for each socket,
// libraries, and the program itself.
typedef struct FtMemory {
    uint64_t records;
    uint64_t words;    // for searches by words
    uint64_t sessions; // without their buffers
    uint64_t buffers;  // received or to be sent, of all sessions
} FtMemory;

FtMemory ft_memory(const Ft *ft);

// Counts the refusal. Logs it, unless too many of its kind were logged lately.
void ft_count_refusal(Ft *ft, const Endpoint *remote, FtRefusal refusal);

// Whether the address is one of this machine. Asks the kernel at most once a second.
bool ft_is_local(Ft *ft, const IpAddress *address);

// Sessions call these when their state changes.
void ft_session_added(Ft *ft, Session *session);
void ft_session_accepted(Ft *ft, Session *session);
void ft_session_removed(Ft *ft, Session *session);
