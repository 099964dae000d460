// SPDX-License-Identifier: MIT
#pragma once

// The downloads into download-dir that have been promised and are not over, across restarts of the
// daemon. SQLite, transfers.db in the state directory.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer/downloads/download-choice.h"
#include "util/macro.h"

typedef struct TransferStore TransferStore;

typedef struct StoredTransfer {
    int64_t key;           // 0: not stored
    const char *file_name; // as asked for; borrowed
    DownloadFilter filter;
    bool paused;
    uid_t owner; // who asked for it; TRANSFER_NOBODY
} StoredTransfer;

// `path` NULL: in memory. 0 or -errno, logged.
int transfer_store_open(const char *path, TransferStore **ret);
TransferStore *transfer_store_close(TransferStore *store);
DEFINE_CLEANUP_FUNC(TransferStore, transfer_store_close)

// Inserts it (key 0: sets the key) or writes over what is stored of it. 0; -EIO, logged: it will
// not survive.
int transfer_store_put(TransferStore *store, StoredTransfer *transfer);
void transfer_store_remove(TransferStore *store, int64_t key); // 0: nothing

// Calls back for each, in the order in which they were put. 0 or -EIO. The callback must not use
// the store.
typedef void (*TransferStoreHandler)(const StoredTransfer *transfer, void *userdata);
int transfer_store_each(TransferStore *store, TransferStoreHandler handler, void *userdata);
