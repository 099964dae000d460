// SPDX-License-Identifier: MIT
#pragma once

// The properties of org.p2pshare.Transfer1, and the list of all transfers.

#include <jansson.h>

#include "ctl/ctl.h"
#include "util/macro.h"

typedef struct TransferInfo {
    uint32_t id;
    char *direction;
    char *name;
    char *type;
    uint64_t size;        // bytes; 0 until a record has been chosen
    uint64_t transferred; // bytes
    char *state;
    char **sources;       // ended by NULL
    char *root;           // 64 hex digits, or ""
    int verified;         // every byte that has arrived matches the root
    uint32_t queue_place; // 0: in no queue
    char *path;
    uint64_t started; // µs since the epoch
    char *error;
    char *error_message;
} TransferInfo;

typedef struct TransferList {
    TransferInfo *transfers; // by id
    size_t n;
} TransferList;

// Reads an a{sv} of properties into *transfer; the others keep their values. 0 or -errno.
int transfer_info_read(sd_bus_message *message, TransferInfo *transfer);
void transfer_info_clear(TransferInfo *transfer);

// Whether the transfer is in that state.
bool transfer_info_is(const TransferInfo *transfer, const char *state);
bool transfer_info_is_over(const TransferInfo *transfer);
bool transfer_info_is_upload(const TransferInfo *transfer);

// Bytes per second since it started; 0 if nothing moves now.
double transfer_info_rate(const TransferInfo *transfer, uint64_t now);

// "name.type", or "name" if it has no extension. Caller frees; NULL = no memory.
char *transfer_info_file_name(const TransferInfo *transfer);

// The other side or sides in one line, and whether the bytes are verified; or why the transfer
// failed or paused. Caller frees; NULL = no memory.
char *transfer_info_details(const TransferInfo *transfer);

// NULL = no memory.
json_t *transfer_info_json(const TransferInfo *transfer);

// Asks the daemon for all transfers. 0, or -errno with *error set.
int transfer_list_get(sd_bus *bus, TransferList *ret, sd_bus_error *error);
void transfer_list_clear(TransferList *list);
