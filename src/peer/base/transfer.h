// SPDX-License-Identifier: MIT
#pragma once

// A transfer, upload or download, as seen from outside: state, progress, error. It knows no D-Bus;
// to hear of changes, set the hooks of the table.
//
//   download:  searching ──► connecting ──► checking ──► active ──► done
//                  ▲             ▲                          │ ▲
//                  │             └──────── waiting ◄────────┘ │ no slot, the next source
//                  └──────────── paused ◄─────────────────────┘ from any state, on request or
//                                                               if the disk is full
//   upload:    waiting ──► active ──► done
//
// failed and cancelled can follow any state that is not final.
//
// A finished transfer stays for TRANSFER_LINGER_USEC, so that clients can read its result.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "proto/record.h"
#include "util/hash.h"
#include "util/macro.h"

enum {
    // The limit for both directions together, including the finished ones that linger. Uploads and
    // downloads have lower limits of their own, so that strangers who fetch files cannot keep the
    // user from fetching.
    TRANSFERS_MAX = 16384,
    // How many of them may be finished: otherwise the fetches of strangers could fill a reply on
    // D-Bus within a second.
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
    void (*cancel)(Transfer *transfer); // calls transfer_finish() now or soon
    void (*free)(Transfer *transfer);   // frees everything, including the Transfer
    // These may be NULL.
    int (*pause)(Transfer *transfer); // pauses now or soon; 0 or -EOPNOTSUPP
    int (*resume)(Transfer *transfer);
    uint64_t (*moved)(const Transfer *transfer);
    // Needed only if the place can change by itself; called while the transfer waits.
    uint32_t (*queue_place)(const Transfer *transfer);
} TransferOps;

// Embed it in the object that does the work.
struct Transfer {
    const TransferOps *ops;
    TransferTable *table;
    TAILQ_ENTRY(Transfer) link;
    TAILQ_ENTRY(Transfer) ended_link; // in table->ended, once it has ended
    UT_hash_handle hh;
    bool hashed;
    TAILQ_ENTRY(Transfer) changed_link; // in table->changed, if `changed`
    bool changed;                       // the hooks have not been told yet
    uint32_t id;
    TransferDirection direction;
    // The user who asked for the download; TRANSFER_NOBODY: not known.
    uid_t owner;
    TransferState state;
    RecordText text; // name and type
    uint64_t size;
    bool has_root; // all counted bytes were checked against `root`
    MerkleHash root;
    Endpoint remote;         // family AF_UNSPEC: none, or see `sources`
    const Endpoint *sources; // borrowed
    size_t source_count;
    uint32_t queue_place; // place in the queue for a slot, from 1; 0: in no queue
    char *path;           // owned; NULL: the file belongs to the caller
    // Bytes of the file, valid once it has ended; until then, call ops->moved().
    uint64_t moved;
    uint64_t reported;   // `moved` at the last on_progress
    uint64_t started;    // µs since the epoch
    uint64_t ended;      // CLOCK_MONOTONIC µs
    const char *error;   // BUS_ERROR_*, static; NULL: none
    char *error_message; // owned
    void *hook_data;     // for the hooks; their on_removed frees it
};

typedef struct TransferHooks {
    void (*on_new)(Transfer *transfer, void *userdata);
    // The state, the name, the error or the like changed; called soon after the change.
    void (*on_changed)(Transfer *transfer, void *userdata);
    // Called twice a second at most.
    void (*on_progress)(Transfer *transfer, void *userdata);
    // Called while the transfer can still be found.
    void (*on_removed)(Transfer *transfer, void *userdata);
    void *userdata;
} TransferHooks;

struct TransferTable {
    sd_event *event;
    sd_event_source *tick; // enabled while there is any transfer
    uint32_t tick_id;      // ID at which the next tick continues; 0: the first
    TAILQ_HEAD(, Transfer) list;
    TAILQ_HEAD(, Transfer) ended; // finished ones, the earliest first
    TAILQ_HEAD(, Transfer) changed;
    sd_event_source *tell; // enabled while `changed` has any
    Transfer *by_id;       // uthash
    size_t count;
    size_t lingering; // how many of them have ended
    size_t downloads; // downloads that have not ended
    // Results since the start, by direction and by final state, counted from TRANSFER_DONE.
    uint64_t results[2][_TRANSFER_STATE_COUNT - TRANSFER_DONE];
    uint32_t next_id;
    TransferHooks hooks;
};

int transfer_table_init(TransferTable *table, sd_event *event); // 0 or -errno
void transfer_table_done(TransferTable *table);                 // frees all transfers
Transfer *transfer_find(TransferTable *table, uint32_t id);

// Adds a transfer whose ops, direction, state and names are set, and gives it its ID. 0; -EMFILE:
// there are too many.
int transfer_add(TransferTable *table, Transfer *transfer);
void transfer_remove(Transfer *transfer); // from the table; does not free it

void transfer_set_state(Transfer *transfer, TransferState state);

// Ends the transfer. `error` is a BUS_ERROR_* for TRANSFER_FAILED. The message is a sentence for
// people; the caller must escape text from strangers in it.
void transfer_finish(Transfer *transfer, TransferState state, const char *error, const char *format,
                     ...) _printf_(4, 5);

// Sets why the transfer waits or is paused, with arguments as in transfer_finish(). NULL: the
// reason needs no words. Call it before transfer_set_state().
void transfer_set_error(Transfer *transfer, const char *error, const char *message);

// Bytes of the file moved so far.
uint64_t transfer_moved(const Transfer *transfer);

int transfer_pause(Transfer *transfer);  // 0 or -EOPNOTSUPP
int transfer_resume(Transfer *transfer); // 0, -EOPNOTSUPP, or -errno

void transfer_cancel(Transfer *transfer);
