// SPDX-License-Identifier: MIT
#pragma once

// A transfer as others see it, upload or download: state, progress, error. Knows no D-Bus: whoever
// wants to hear of changes sets the hooks of the table.
//
//   download:  searching ──► connecting ──► checking ──► active ──► done
//                  ▲             ▲                          │ ▲
//                  │             └──────── waiting ◄────────┘ │ no slot, the next source
//                  └──────────── paused ◄─────────────────────┘ from anywhere, and by itself
//                                                               where the disk is full
//   upload:    waiting ──► active ──► done
//
// failed, cancelled: from anywhere.
//
// A finished transfer stays for TRANSFER_LINGER_USEC, so that its result can be read.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "proto/record.h"
#include "util/hash.h"
#include "util/macro.h"

enum {
    // At once, both directions, the lingering included. Uploads and downloads have limits of their
    // own below this, so that strangers who fetch cannot keep the user from fetching.
    TRANSFERS_MAX = 16384,
    // Of those, that have ended: what strangers fetch in a second must not fill a reply on D-Bus.
    LINGERING_MAX = 256,
};
#define TRANSFER_NOBODY      ((uid_t)UINT32_MAX)
#define TRANSFER_LINGER_USEC (10 * USEC_PER_SEC)

typedef enum TransferDirection {
    TRANSFER_DOWNLOAD,
    TRANSFER_UPLOAD,
} TransferDirection;

typedef enum TransferState {
    TRANSFER_SEARCHING,
    TRANSFER_WAITING,
    TRANSFER_CONNECTING,
    TRANSFER_CHECKING,
    TRANSFER_ACTIVE,
    TRANSFER_PAUSED,
    TRANSFER_DONE,
    TRANSFER_FAILED,
    TRANSFER_CANCELLED,
    _TRANSFER_STATE_COUNT,
} TransferState;

const char *transfer_direction_name(TransferDirection direction);
const char *transfer_state_name(TransferState state);
static inline bool transfer_state_is_final(TransferState state) {
    return state >= TRANSFER_DONE;
}

typedef struct Transfer Transfer;
typedef struct TransferTable TransferTable;

typedef struct TransferOps {
    void (*cancel)(Transfer *transfer); // leads to transfer_finish(), now or soon
    void (*free)(Transfer *transfer);   // frees all, the Transfer included
    // These may be NULL.
    int (*pause)(Transfer *transfer); // now or soon; 0 or -EOPNOTSUPP
    int (*resume)(Transfer *transfer);
    uint64_t (*moved)(const Transfer *transfer);
    // Only where the place may change by itself; asked while the transfer waits.
    uint32_t (*queue_place)(const Transfer *transfer);
} TransferOps;

// Embed it in the object that does the work.
struct Transfer {
    const TransferOps *ops;
    TransferTable *table;
    TAILQ_ENTRY(Transfer) link;
    TAILQ_ENTRY(Transfer) ended_link; // in table->ended, once it has
    UT_hash_handle hh;
    bool hashed;
    TAILQ_ENTRY(Transfer) changed_link; // in table->changed, if `changed`
    bool changed;                       // and the hooks have not been told yet
    uint32_t id;
    TransferDirection direction;
    uid_t owner; // of a download: who asked for it; TRANSFER_NOBODY: nobody knows
    TransferState state;
    RecordText text; // name and type
    uint64_t size;
    bool has_root; // each byte that counts was checked against it
    MerkleHash root;
    Endpoint remote;         // family AF_UNSPEC: none, or those in `sources`
    const Endpoint *sources; // borrowed
    size_t source_count;
    uint32_t queue_place; // for a slot, 1 = the next; 0: in no queue
    char *path;           // owned; NULL: the caller's own file
    uint64_t moved;       // once it has ended; until then ops->moved() says it
    uint64_t reported;    // progress that on_progress has told
    uint64_t started;     // µs since the epoch
    uint64_t ended;       // CLOCK_MONOTONIC µs
    const char *error;    // BUS_ERROR_*, static; NULL: none
    char *error_message;  // owned
    void *hook_data;      // of whoever set the hooks, who frees it in on_removed
};

typedef struct TransferHooks {
    void (*on_new)(Transfer *transfer, void *userdata);
    // The state, the name, the error … has changed; called soon after it.
    void (*on_changed)(Transfer *transfer, void *userdata);
    // Called twice a second at most.
    void (*on_progress)(Transfer *transfer, void *userdata);
    // Called while the transfer can still be found.
    void (*on_removed)(Transfer *transfer, void *userdata);
    void *userdata;
} TransferHooks;

struct TransferTable {
    sd_event *event;
    sd_event_source *tick; // on while there is any transfer
    uint32_t tick_id;      // where it goes on; 0: from the beginning
    TAILQ_HEAD(, Transfer) list;
    TAILQ_HEAD(, Transfer) ended; // those that linger, the first one first
    TAILQ_HEAD(, Transfer) changed;
    sd_event_source *tell; // on while there are any
    Transfer *by_id;       // uthash
    size_t count;
    size_t lingering; // of these, ended
    size_t downloads; // that have not ended
    // Since the start, by direction, and by state from TRANSFER_DONE on.
    uint64_t results[2][_TRANSFER_STATE_COUNT - TRANSFER_DONE];
    uint32_t next_id;
    TransferHooks hooks;
};

int transfer_table_init(TransferTable *table, sd_event *event); // 0 or -errno
void transfer_table_done(TransferTable *table);                 // frees all transfers
Transfer *transfer_find(TransferTable *table, uint32_t id);

// Enters a transfer whose ops, direction, state and names are set; gives it its ID. 0, or -EMFILE:
// there are too many.
int transfer_add(TransferTable *table, Transfer *transfer);
void transfer_remove(Transfer *transfer); // from the table; does not free

void transfer_set_state(Transfer *transfer, TransferState state);

// Ends it. `error` is a BUS_ERROR_* for TRANSFER_FAILED; the message is a sentence for people, with
// whatever a stranger wrote in it escaped.
void transfer_finish(Transfer *transfer, TransferState state, const char *error, const char *format,
                     ...) _printf_(4, 5);

// Why it waits or is paused, as transfer_finish() has it; NULL: for no reason that needs words.
// Before transfer_set_state().
void transfer_set_error(Transfer *transfer, const char *error, const char *message);

// Bytes of the file so far.
uint64_t transfer_moved(const Transfer *transfer);

int transfer_pause(Transfer *transfer);  // 0 or -EOPNOTSUPP
int transfer_resume(Transfer *transfer); // 0, -EOPNOTSUPP, or -errno

void transfer_cancel(Transfer *transfer);
