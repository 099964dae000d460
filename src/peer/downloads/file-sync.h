// SPDX-License-Identifier: MIT
#pragma once

// Runs fdatasync(2) in another thread, because a slow disk would block the loop. Only a few run at
// once, so that a thousand downloads that end together do not need a thousand threads.

#include "util/work.h"

enum {
    FILE_SYNCS_MAX = 4, // threads; further syncs wait
};

typedef struct FileSync FileSync;

typedef struct FileSyncs {
    sd_event *event;
    unsigned running;
    TAILQ_HEAD(, FileSync) waiting; // the oldest first
} FileSyncs;

void file_syncs_init(FileSyncs *syncs, sd_event *event);

// `result`: 0 or -errno. The FileSync frees itself after the call.
typedef void (*FileSyncHandler)(int result, void *userdata);

// `fd` stays the caller's. 0 or -errno.
int file_sync_start(FileSyncs *syncs, int fd, FileSyncHandler handler, void *userdata,
                    FileSync **ret);
FileSync *file_sync_free(FileSync *sync); // the handler is not called any more
