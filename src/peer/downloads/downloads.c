// SPDX-License-Identifier: MIT

#include "peer/downloads/downloads.h"

#include <stdio.h>
#include <string.h>

#include "util/fs-util.h"
#include "util/log-id.h"

// A peer that cannot store its state still works, but forgets the promised downloads on a restart.
static int downloads_open_store(Downloads *downloads, const char *state_dir) {
    _cleanup_free_ char *path = NULL;
    int r;

    if (asprintf(&path, "%s/transfers.db", state_dir) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    r = make_directories(state_dir, 0755);
    if (r >= 0)
        r = transfer_store_open(path, &downloads->store);
    if (r >= 0)
        return 0;
    log_event(LOG_WARNING, &(LogFields){.id = EVENT_NO_STATE, .file = state_dir},
              "Cannot keep state in %s: downloads will not survive a restart", state_dir);
    return transfer_store_open(NULL, &downloads->store);
}

int downloads_init(Downloads *downloads, const DownloadsParts *parts, const char *state_dir,
                   const DownloadsConfig *config) {
    int r;

    *downloads = (Downloads){.parts = *parts};
    file_syncs_init(&downloads->syncs, parts->event);
    r = downloads_open_store(downloads, state_dir);
    if (r >= 0)
        r = loop_thread_new(parts->event, "downloads", &downloads->thread);
    if (r >= 0)
        r = mover_new(downloads->thread, &downloads->rate, &downloads->mover);
    if (r >= 0)
        r = swarm_engine_new(downloads->thread, &downloads->rate, &downloads->swarms);
    if (r >= 0)
        downloads_configure(downloads, config);
    return r;
}

int downloads_start(Downloads *downloads) {
    int r = loop_thread_start(downloads->thread);

    return r < 0 ? r : swarm_engine_start(downloads->swarms);
}

void downloads_stop(Downloads *downloads) {
    // Stop the threads first, because they still use the files of transfers.
    swarm_engine_stop(downloads->swarms);
    loop_thread_stop(downloads->thread);
    downloads->mover = mover_free(downloads->mover);
    downloads->swarms = swarm_engine_free(downloads->swarms);
    downloads->thread = loop_thread_free(downloads->thread);
}

void downloads_done(Downloads *downloads) {
    downloads->store = transfer_store_close(downloads->store);
    free(downloads->directory_problem);
    downloads->directory_problem = NULL;
}

void downloads_configure(Downloads *downloads, const DownloadsConfig *config) {
    downloads->config = *config;
    rate_limit_set(&downloads->rate, config->rate);
}

// If the directory was missing or read-only for the unit at the start, it stays so until a restart,
// even if it looks different now. Therefore only success and -EACCES are checked again.
void downloads_check_directory(Downloads *downloads) {
    const char *directory = downloads->config.directory;

    if (downloads->directory_error == 0 || downloads->directory_error == -EACCES)
        downloads->directory_error = access(directory, W_OK | X_OK) < 0 ? -errno : 0;
    free(downloads->directory_problem);
    downloads->directory_problem = NULL;
    if (downloads->directory_error == 0)
        return;
    if (asprintf(&downloads->directory_problem, "Cannot write to %s: %s", directory,
                 strerror(-downloads->directory_error)) < 0)
        downloads->directory_problem = NULL;
    log_event(LOG_WARNING, &(LogFields){.file = directory},
              "Cannot write to download-dir %s: %s (p2pshare.ini(5), DIRECTORIES)", directory,
              strerror(-downloads->directory_error));
}

uint64_t downloads_silence(Downloads *downloads, uint64_t now) {
    uint64_t receiving = loop_thread_silence(downloads->thread, now);
    uint64_t verifying = swarm_engine_silence(downloads->swarms, now);

    return MAX(receiving, verifying);
}

uint64_t downloads_received(const Downloads *downloads) {
    return mover_received(downloads->mover) + swarm_engine_received(downloads->swarms);
}

uint64_t downloads_wrong_sources(const Downloads *downloads) {
    return swarm_engine_wrong_sources(downloads->swarms);
}
