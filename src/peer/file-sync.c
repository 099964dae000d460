// SPDX-License-Identifier: MIT

#include "peer/file-sync.h"

#include <fcntl.h>

typedef struct FileSync {
    int fd;
    int result;
    FileSyncHandler handler;
} FileSync;

static void sync_run(void *job) {
    FileSync *sync = job;

    sync->result = fdatasync(sync->fd) < 0 ? -errno : 0;
}

static void sync_done(void *job, void *userdata) {
    const FileSync *sync = job;

    sync->handler(sync->result, userdata);
}

static void sync_free(void *job) {
    FileSync *sync = job;

    close_fd(sync->fd);
    free(sync);
}

int file_sync_start(sd_event *event, int fd, FileSyncHandler handler, void *userdata, Work **ret) {
    static const WorkOps ops = {.run = sync_run, .done = sync_done, .free = sync_free};
    FileSync *sync;

    sync = calloc(1, sizeof(*sync));
    if (!sync)
        return -ENOMEM;
    sync->handler = handler;
    sync->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (sync->fd < 0) {
        free(sync);
        return -errno;
    }
    return work_start(event, &ops, sync, userdata, ret);
}
