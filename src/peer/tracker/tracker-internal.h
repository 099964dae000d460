// SPDX-License-Identifier: MIT
#pragma once

// What tracker-client.c (joining, coming back) and tracker-session.c (what is said to an FT that is connected) share.

#include "net/stream.h"
#include "peer/tracker/resolver.h"
#include "peer/tracker/tracker-client.h"
#include "peer/tracker/tracker-publish.h"
#include "peer/tracker/tracker-search.h"
#include "util/log.h"
#include "util/macro.h"

// How FT is spoken to, the best first.
typedef enum FtWay {
    WAY_ROOTED, // LINE; records carry roots
    WAY_PLAIN,  // LINE
    WAY_RAW,
} FtWay;

struct FtClient {
    sd_event *event;
    Poller *poller;
    FtClientHooks hooks;

    char *host; // NULL: none
    uint16_t port;
    Dialect dialect;
    Endpoint listen;

    FtState state;
    bool left;
    char reason[256];
    LogLimit joined_log, lost_log; // FT may close as often as it likes
    uint64_t since;

    Work *resolve;
    Endpoint endpoints[RESOLVE_MAX];
    size_t endpoint_count, endpoint_next;
    Stream stream;
    Framer framer;
    FtWay way;
    bool knows_roots;        // FT has said KEPT in this session
    bool was_ours;           // the last session was one with our own kind of FT
    bool quiet;              // RAW: the silence that ends a message has passed
    bool settled;            // RAW: the silence that ends our records has passed
    bool served;             // FT has answered a search in this session
    size_t logged;           // files that FT has, as the log has said it last
    uint64_t joined_at;      // CLOCK_MONOTONIC µs
    uint64_t greet_deadline; // HI must have come by then, the same
    Endpoint address; // of this peer: in its records, and then as FT says that it publishes it
    Reachability reachability;
    unsigned asked_reachable; // times that FT has not answered
    sd_event_source *retry;
    unsigned failures;
    uint64_t joins, searches_begun;
    unsigned lesser_joins; // in a row, that were not in the best way
    FtSearchQueue searches;
    FtPublisher publisher;
    sd_event_source *publish; // the offer has changed
    uint64_t published_at;    // CLOCK_MONOTONIC µs
};

enum {
    FT_CLIENT_TEXT_MAX = 256 + sizeof("[]:65535"),
};

// tracker-client.c
// HOST:PORT, as it is named in the log.
const char *ft_client_name(const FtClient *client, char text[static FT_CLIENT_TEXT_MAX]);
void ft_client_set_state(FtClient *client, FtState state, const char *format, ...) _printf_(3, 4);
void ft_client_joined(FtClient *client);        // FT_JOINED has just begun
void ft_client_lost(Stream *stream, int error); // an attempt has failed, or a session has ended

// tracker-session.c
extern const StreamOps ft_session_ops;
// Tells FT what it does not know yet, as much as it takes at once. To be flushed. 0 or -errno.
int ft_session_tell(FtClient *client);
// Asks whether FT can connect to this peer, if it knows the question. To be flushed. 0 or -ENOMEM.
int ft_session_ask_reachable(FtClient *client);
// Asks what may be asked now. To be flushed. 0 or -ENOMEM.
int ft_session_search(FtClient *client);
