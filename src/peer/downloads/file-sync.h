// SPDX-License-Identifier: MIT
#pragma once

// fdatasync(2) off the loop: it may take as long as the disk likes. Few at once: a thousand
// downloads that end together shall not be a thousand threads.

#include "util/work.h"

enum {
    FILE_SYNCS_MAX = 4, // threads; the others wait
};

typedef struct FileSync FileSync;

typedef struct FileSyncs {
    sd_event *event;
    unsigned running;
    TAILQ_HEAD(, FileSync) waiting; // the first one first
} FileSyncs;

void file_syncs_init(FileSyncs *syncs, sd_event *event);

// 0 or -errno. The FileSync is gone after the call.
typedef void (*FileSyncHandler)(int result, void *userdata);

// `fd` is the caller's own. 0 or -errno.
int file_sync_start(FileSyncs *syncs, int fd, FileSyncHandler handler, void *userdata,
                    FileSync **ret);
FileSync *file_sync_free(FileSync *sync); // nobody waits for it any more
