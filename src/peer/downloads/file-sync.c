// SPDX-License-Identifier: MIT

#include "peer/downloads/file-sync.h"

#include <fcntl.h>

struct FileSync {
    FileSyncs *syncs;
    TAILQ_ENTRY(FileSync) link; // in syncs->waiting, while `work` is NULL
    Work *work;
    int fd;
    FileSyncHandler handler;
    void *userdata;
};

// The thread's own data, because the thread may outlive the FileSync.
typedef struct SyncJob {
    int fd;
    int result;
} SyncJob;

static void file_sync_job_run(void *data) {
    SyncJob *job = data;

    job->result = fdatasync(job->fd) < 0 ? -errno : 0;
}

static void file_sync_finish(FileSync *sync, int result) {
    FileSyncHandler handler = sync->handler;
    void *userdata = sync->userdata;

    file_sync_free(sync);
    handler(result, userdata);
}

static void file_sync_job_done(void *data, void *userdata) {
    const SyncJob *job = data;

    file_sync_finish(userdata, job->result);
}

static void file_sync_job_free(void *data) {
    SyncJob *job = data;

    close_fd(job->fd);
    free(job);
}

static int file_sync_start_job(FileSync *sync) {
    static const WorkOps ops = {
        .run = file_sync_job_run, .done = file_sync_job_done, .free = file_sync_job_free};
    SyncJob *job = calloc(1, sizeof(*job));
    int r;

    if (!job)
        return -ENOMEM;
    job->fd = TAKE_FD(sync->fd);
    r = work_start(sync->syncs->event, &ops, job, sync, &sync->work);
    if (r >= 0)
        sync->syncs->running++;
    return r;
}

static void file_sync_start_waiting(FileSyncs *syncs) {
    FileSync *sync;
    int r;

    while (syncs->running < FILE_SYNCS_MAX && (sync = TAILQ_FIRST(&syncs->waiting))) {
        TAILQ_REMOVE(&syncs->waiting, sync, link);
        r = file_sync_start_job(sync);
        if (r >= 0)
            continue;
        TAILQ_INSERT_HEAD(&syncs->waiting, sync, link); // file_sync_free() expects it there
        file_sync_finish(sync, r);
    }
}

void file_syncs_init(FileSyncs *syncs, sd_event *event) {
    *syncs = (FileSyncs){.event = event};
    TAILQ_INIT(&syncs->waiting);
}

int file_sync_start(FileSyncs *syncs, int fd, FileSyncHandler handler, void *userdata,
                    FileSync **ret) {
    FileSync *sync;
    int r;

    sync = calloc(1, sizeof(*sync));
    if (!sync)
        return -ENOMEM;
    sync->syncs = syncs;
    sync->handler = handler;
    sync->userdata = userdata;
    sync->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    r = sync->fd < 0 ? -errno : 0;
    if (r >= 0 && syncs->running < FILE_SYNCS_MAX)
        r = file_sync_start_job(sync);
    else if (r >= 0)
        TAILQ_INSERT_TAIL(&syncs->waiting, sync, link);
    if (r < 0) {
        close_fd(sync->fd);
        free(sync);
        return r;
    }
    *ret = sync;
    return 0;
}

FileSync *file_sync_free(FileSync *sync) {
    FileSyncs *syncs;

    if (!sync)
        return NULL;
    syncs = sync->syncs;
    if (sync->work) {
        sync->work = work_free(sync->work);
        syncs->running--;
    } else
        TAILQ_REMOVE(&syncs->waiting, sync, link);
    close_fd(sync->fd);
    free(sync);
    file_sync_start_waiting(syncs);
    return NULL;
}
