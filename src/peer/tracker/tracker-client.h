// SPDX-License-Identifier: MIT
#pragma once

// The peer's session with FT: joins, publishes, searches, leaves, and comes back by itself when FT has
// been away.
//
//                    nothing to publish
//          idle ◄──────────────────────┐ ft_client_publish()
//           │                          │
//           ▼ join (reading first)     │                              ┌── lost, refused ──┐
//        resolving ──► connecting ──► greeting ──► telling ──► joined                     │
//           ▲             ▲            │   └─────────────────────►│ leave                 ▼
//           │             │            │ no HI       │ no KEPT     ▼                    waiting
//           │             └─── RAW ◄───┘             │            left ──join──► …        │
//           │             └─── without roots ◄───────┘                                    │
//           └──────────────────────────────────────────────────────── back-off ───────────┘

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "net/poller.h"
#include "peer/peer-config.h"
#include "proto/find.h"
#include "proto/message.h"
#include "proto/record.h"

typedef struct FtClient FtClient;

typedef enum FtState {
    FT_IDLE,    // no FT is configured, or nothing is shared: FT would not accept us
    FT_READING, // nothing can be published yet: the shares are being read or hashed
    FT_WAITING, // the last attempt failed; the next one follows
    FT_RESOLVING,
    FT_CONNECTING,
    FT_GREETING, // HELLO is sent
    FT_TELLING,  // records with roots are sent, and FT has not shown yet that it knows them
    FT_JOINED,
    FT_LEFT, // the user wanted so
} FtState;

// As on D-Bus: the steps of joining are one.
const char *ft_state_name(FtState state);

typedef struct FtClientHooks {
    void (*on_state)(void *userdata); // state, reason, address or what is published has changed
    // The next record that shall be published at or behind *position (at first 0), which is moved behind it,
    // in the order in which they count: FT may not keep them all. False: there are no more. Its strings
    // need not last longer than this call of ours.
    bool (*next_offered)(void *userdata, size_t *position, Record *ret);
    // What has to be done before next_offered() may give something; NULL: it has said all that there is.
    const char *(*offer_pending)(void *userdata);
    void *userdata;
} FtClientHooks;

int ft_client_new(sd_event *event, Poller *poller, const FtClientHooks *hooks, FtClient **ret);
FtClient *ft_client_free(FtClient *client); // says BYE if joined
DEFINE_CLEANUP_FUNC(FtClient, ft_client_free)

// Where FT is (copied); host NULL: nowhere. A session is made anew only if something has changed.
// 0 or -ENOMEM.
int ft_client_configure(FtClient *client, const char *host, uint16_t port, Dialect dialect);

// Where others reach this peer, for the records. An unspecified address: find one.
void ft_client_set_listen(FtClient *client, const Endpoint *listen);

// What next_offered() says has changed. A session tells FT the difference; at once, or soon where it has
// done so just now.
void ft_client_publish(FtClient *client);

void ft_client_leave(FtClient *client);
void ft_client_join(FtClient *client);

FtState ft_client_state(const FtClient *client);
const char *ft_client_reason(const FtClient *client); // why not joined; "" if it is
uint64_t ft_client_since(const FtClient *client);     // of the state, µs since the epoch
// Where this peer is published to be; NULL while not joined.
const Endpoint *ft_client_address(const FtClient *client);
// Whether FT could connect there.
Reachability ft_client_reachability(const FtClient *client);
// Whether FT holds this very file of ours now.
bool ft_client_has_published(const FtClient *client, const Record *record);
// Whether FT keeps no more files of this peer than it has, and how many that is.
bool ft_client_is_full(const FtClient *client, size_t *ret_limit);
// How many files FT has now, and what there has been since the start.
size_t ft_client_published(const FtClient *client);
uint64_t ft_client_joins(const FtClient *client);
uint64_t ft_client_searches(const FtClient *client);
// How FT was spoken to, and how peers that it names are: LINE and our own syntax, or RAW and the seed
// authors'.
Framing ft_client_framing(const FtClient *client);

// A search. Called once: r = 0 and n >= 0 records (valid during the call; `text` of a record is borrowed),
// or -ETIMEDOUT, -ENOTCONN, -ENOMEM.
typedef struct FtSearch FtSearch;
typedef void (*FtSearchHandler)(FtSearch *search, int r, const Record records[], size_t n,
                                void *userdata);
// 0; -ENOTCONN: not joined and not about to; -EBUSY: too many at once.
int ft_client_search(FtClient *client, const char *file_name, FtSearchHandler handler,
                     void *userdata, FtSearch **ret);
// A search by words, with the same results but for `matches`, NULL where r < 0, and valid during the call.
typedef struct FtMatches {
    FindSummary summary;
    const FoundFile *files;
    size_t n;
    bool whole_name; // this FT knows no words: it has looked for a file whose name is the text
} FtMatches;
typedef void (*FtFindHandler)(FtSearch *search, int r, const FtMatches *matches, void *userdata);
int ft_client_find(FtClient *client, const FindRequest *request, FtFindHandler handler,
                   void *userdata, FtSearch **ret);

// Nobody waits for it any more; not from its own handler, after which it is gone.
FtSearch *ft_search_free(FtSearch *search);
