// SPDX-License-Identifier: MIT
#pragma once

// Keeps the promised downloads into download-dir that are not over, so that they survive restarts
// of the daemon. An SQLite database, transfers.db in the state directory.

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer/downloads/download-choice.h"
#include "util/macro.h"

typedef struct TransferStore TransferStore;

typedef struct StoredTransfer {
    int64_t key;           // 0: not stored
    const char *file_name; // as the user gave it; borrowed
    DownloadFilter filter;
    bool paused;
    uid_t owner; // the user who asked for it; TRANSFER_NOBODY: unknown
} StoredTransfer;

// `path` NULL: keeps the store in memory. 0 or -errno, logged.
int transfer_store_open(const char *path, TransferStore **ret);
TransferStore *transfer_store_close(TransferStore *store);
DEFINE_CLEANUP_FUNC(TransferStore, transfer_store_close)

// Inserts the transfer if its key is 0, and sets the key; otherwise overwrites the stored one. 0;
// -EIO, logged: the transfer will not survive a restart.
int transfer_store_put(TransferStore *store, StoredTransfer *transfer);
void transfer_store_remove(TransferStore *store, int64_t key); // key 0: does nothing

// Calls the handler for each transfer, in the order in which they were inserted. The handler must
// not use the store. 0 or -EIO.
typedef void (*TransferStoreHandler)(const StoredTransfer *transfer, void *userdata);
int transfer_store_each(TransferStore *store, TransferStoreHandler handler, void *userdata);
