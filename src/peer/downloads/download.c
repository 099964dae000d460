// SPDX-License-Identifier: MIT

#include "peer/downloads/download.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "peer/downloads/download-seed.h"
#include "peer/downloads/download-target.h"
#include "peer/downloads/file-sync.h"
#include "peer/downloads/transfer-store.h"
#include "peer/swarm/swarm.h"
#include "proto/name.h"
#include "util/log-id.h"
#include "util/log.h"

enum {
    DOWNLOADS_MAX = 1024, // at once
    RETRY_DOUBLINGS_MAX = 5,
};

// A promised download without a source asks FT again after this time. The delay then doubles.
static const uint64_t RETRY_USEC = 10 * USEC_PER_SEC;
// A running download looks for more sources this often.
static const uint64_t MORE_SOURCES_USEC = 60 * USEC_PER_SEC;

typedef struct Download {
    Transfer transfer;
    Downloads *downloads;
    char *file_name;       // as the user gave it
    StoredTransfer stored; // borrows file_name
    bool own_file;         // the file is the caller's
    bool promised;         // goes to download-dir, and its root is known or it was restored
    bool cancelling, pausing;
    unsigned retries;
    TrackerSearch *search;
    sd_event_source *timer; // starts the next search
    DownloadTarget target;
    // At most one of these is set.
    Swarm *swarm;
    DownloadSeed *seed;
    FileSync *sync;
} Download;

static void download_search_again(Download *download);

static void download_free(Download *download) {
    tracker_search_free(download->search);
    sd_event_source_disable_unref(download->timer);
    file_sync_free(download->sync);
    download_seed_free(download->seed);
    download_target_done(&download->target);
    free(download->file_name);
    free(download->transfer.path);
    free(download->transfer.error_message);
    free(download);
}

// Stops the search and the timer, because they must not outlive the state that needs them.
static void download_stop_searching(Download *download) {
    download->search = tracker_search_free(download->search);
    (void)sd_event_source_set_enabled(download->timer, SD_EVENT_OFF);
}

static void download_start_timer(Download *download, uint64_t usec) {
    (void)sd_event_source_set_time_relative(download->timer, usec);
    (void)sd_event_source_set_enabled(download->timer, SD_EVENT_ONESHOT);
}

static void download_store(Download *download) {
    if (!download->own_file)
        (void)transfer_store_put(download->downloads->store, &download->stored);
}

#define log_download(download, level, event, ...)                \
    log_event(level,                                             \
              &(LogFields){.id = (event),                        \
                           .file = (download)->file_name,        \
                           .transfer = (download)->transfer.id}, \
              __VA_ARGS__)

static void download_finish(Download *download, TransferState state, const char *error,
                            const char *message) {
    download_stop_searching(download);
    // Keep the verified pieces for the next attempt, unless the user has cancelled the download.
    if (state == TRANSFER_CANCELLED || !download->transfer.has_root)
        download_target_discard(&download->target);
    download_target_done(&download->target);
    transfer_store_remove(download->downloads->store, download->stored.key);
    download->transfer.source_count = 0;
    download->transfer.queue_place = 0;
    if (state == TRANSFER_FAILED)
        log_download(download, LOG_WARNING, EVENT_DOWNLOAD_FAILED, "Download of %s failed: %s",
                     download->file_name, message);
    else if (state == TRANSFER_DONE)
        log_download(download, LOG_INFO, EVENT_DOWNLOADED, "Downloaded %s", download->file_name);
    transfer_finish(&download->transfer, state, error, message ? "%s" : NULL, message);
}

static void download_pause_now(Download *download, const char *error, const char *message) {
    Transfer *transfer = &download->transfer;

    download_stop_searching(download);
    download->pausing = false;
    download->stored.paused = true;
    download_store(download);
    transfer->source_count = 0;
    transfer->queue_place = 0;
    transfer_set_error(transfer, error, message);
    if (message)
        log_download(download, LOG_WARNING, EVENT_DOWNLOAD_PAUSED, "Download of %s is paused: %s",
                     download->file_name, message);
    transfer_set_state(transfer, TRANSFER_PAUSED);
}

// The destination failed, so no other source would help.
static void download_local_error(Download *download, int error) {
    bool full = error == -ENOSPC || error == -EDQUOT;
    _cleanup_free_ char *message = NULL;

    if (asprintf(&message, "cannot write %s: %s", download->transfer.path ?: "the destination",
                 download_target_error(error)) < 0)
        message = NULL;
    if (full && download->transfer.has_root)
        download_pause_now(download, BUS_ERROR_NO_SPACE, message ?: strerror(-error));
    else
        download_finish(download, TRANSFER_FAILED,
                        full               ? BUS_ERROR_NO_SPACE
                        : error == -EEXIST ? BUS_ERROR_EXISTS
                                           : BUS_ERROR_DESTINATION,
                        message ?: strerror(-error));
}

// No source delivers now. A promised download waits until one does; any other download fails.
static void download_without_source(Download *download, const char *error, const char *why) {
    Transfer *transfer = &download->transfer;

    if (!download->promised) {
        download_finish(download, TRANSFER_FAILED, error, why);
        return;
    }
    log_download(download, LOG_INFO, NULL, "Download of %s waits for a source: %s",
                 download->file_name, why);
    transfer->source_count = 0;
    transfer->queue_place = 0;
    transfer_set_error(transfer, error, why);
    transfer_set_state(transfer, TRANSFER_WAITING);
    download_start_timer(download,
                         RETRY_USEC << MIN(download->retries, (unsigned)RETRY_DOUBLINGS_MAX));
    download->retries++;
}

static void download_on_synced(int result, void *userdata) {
    Download *download = userdata;

    download->sync = NULL;
    if (result >= 0)
        result = download_target_commit(&download->target);
    if (result < 0)
        download_local_error(download, result);
    else
        download_finish(download, TRANSFER_DONE, NULL, NULL);
}

// All pieces are verified. Syncs them to disk before the file gets its name.
static int download_start_sync(Download *download) {
    if (ftruncate(download->target.fd, (off_t)download->transfer.size) < 0)
        return -errno;
    return file_sync_start(&download->downloads->syncs, download->target.fd, download_on_synced,
                           download, &download->sync);
}

static void download_on_swarm_done(Swarm *swarm, int result, const char *why, void *userdata) {
    Download *download = userdata;

    download_stop_searching(download);
    download->transfer.moved = swarm_verified(swarm);
    download->transfer.sources = NULL;
    download->transfer.source_count = 0;
    download->swarm = NULL;
    if (result >= 0) {
        download->pausing = false;
        result = download_start_sync(download);
        if (result < 0)
            download_local_error(download, result);
    } else if (download->cancelling) {
        download_finish(download, TRANSFER_CANCELLED, NULL, NULL);
    } else if (download->pausing) {
        download_pause_now(download, NULL, NULL);
    } else if (result == -ECANCELED) {
        download_search_again(download); // paused and resumed before the swarm had stopped
    } else if (result == -ENODATA) {
        download_without_source(download, BUS_ERROR_NO_SOURCE, why);
    } else
        download_local_error(download, result);
}

static void download_on_swarm_changed(Swarm *swarm, void *userdata) {
    static const TransferState states[] = {
        [SWARM_CONNECTING] = TRANSFER_CONNECTING,
        [SWARM_CHECKING] = TRANSFER_CHECKING,
        [SWARM_WAITING] = TRANSFER_WAITING,
        [SWARM_ACTIVE] = TRANSFER_ACTIVE,
    };
    const SwarmStatus *status = swarm_status(swarm);
    Download *download = userdata;
    Transfer *transfer = &download->transfer;

    transfer->sources = status->sources;
    transfer->source_count = status->source_count;
    transfer->queue_place = status->queue_place;
    if (status->state == SWARM_ACTIVE)
        download->retries = 0;
    transfer_set_state(transfer, states[status->state]);
}

static size_t download_source_infos(const Download *download, const DownloadChoice *choice,
                                    SwarmSourceInfo infos[]) {
    const PrefixList *exempt = download->downloads->config.exempt;

    for (size_t i = 0; i < choice->source_count; i++)
        infos[i] = (SwarmSourceInfo){
            .endpoint = choice->sources[i],
            .exempt = prefix_list_contains(exempt, &choice->sources[i].address),
        };
    return choice->source_count;
}

static int download_start_swarm(Download *download, const DownloadChoice *choice) {
    SwarmSourceInfo infos[RESULTS_MAX];
    SwarmJob job = {
        .file_name = download->file_name,
        .transfer = download->transfer.id,
        .root = choice->root,
        .size = choice->size,
        .sources = infos,
        .source_count = download_source_infos(download, choice, infos),
        .on_changed = download_on_swarm_changed,
        .on_done = download_on_swarm_done,
        .userdata = download,
    };
    int r;

    job.fd = fcntl(download->target.fd, F_DUPFD_CLOEXEC, 0);
    if (job.fd < 0)
        return -errno;
    r = swarm_start(download->downloads->swarms, &job, &download->swarm);
    if (r < 0) {
        close_fd(job.fd);
        return r;
    }
    transfer_set_error(&download->transfer, NULL, NULL);
    transfer_set_state(&download->transfer, TRANSFER_CONNECTING);
    download_start_timer(download, MORE_SOURCES_USEC);
    return 0;
}

static void download_on_seed_done(DownloadSeed *fetch, int result, const char *why,
                                  void *userdata) {
    Download *download = userdata;

    download->transfer.moved = result >= 0 ? download->transfer.size : download_seed_moved(fetch);
    download->seed = NULL;
    if (result >= 0)
        result = download_target_commit(&download->target);
    if (result >= 0)
        download_finish(download, TRANSFER_DONE, NULL, NULL);
    else if (result == -ECANCELED)
        download_finish(download, TRANSFER_CANCELLED, NULL, NULL);
    else if (result == -ENODATA)
        download_finish(download, TRANSFER_FAILED, BUS_ERROR_NO_SOURCE, why);
    else
        download_local_error(download, result);
}

static void download_on_seed_changed(DownloadSeed *fetch, void *userdata) {
    static const TransferState states[] = {
        [DOWNLOAD_SEED_CONNECTING] = TRANSFER_CONNECTING,
        [DOWNLOAD_SEED_WAITING] = TRANSFER_WAITING,
        [DOWNLOAD_SEED_ACTIVE] = TRANSFER_ACTIVE,
    };
    Download *download = userdata;

    download->transfer.remote = *download_seed_source(fetch);
    transfer_set_state(&download->transfer, states[download_seed_state(fetch)]);
}

static int download_start_seed(Download *download, const DownloadChoice *choice) {
    const Record record = {
        .name = choice->text.name,
        .type = choice->text.type,
        .size = choice->size,
    };
    const DownloadSeedJob job = {
        .poller = download->downloads->parts.poller,
        .mover = download->downloads->mover,
        .exempt = download->downloads->config.exempt,
        .raw = tracker_framing(download->downloads->parts.tracker) == FRAMING_RAW,
        .log_name = download->file_name,
        .log_transfer = download->transfer.id,
        .log_limit = &download->downloads->source_log,
        .record = &record,
        .sources = choice->sources,
        .source_count = choice->source_count,
        .fd = download->target.fd,
        .on_changed = download_on_seed_changed,
        .on_done = download_on_seed_done,
        .userdata = download,
    };

    return download_seed_start(&job, &download->seed);
}

// Opens the part of download-dir/NAME, unless the caller passed a file.
static int download_open_target(Download *download) {
    const char *directory = download->downloads->config.directory;
    char name[FILE_NAME_BYTES_MAX + 1];

    if (download->target.fd >= 0)
        return 0;
    name_join(download->transfer.text.name, download->transfer.text.type, name);
    free(download->transfer.path);
    if (asprintf(&download->transfer.path, "%s/%s", directory, name) < 0) {
        download->transfer.path = NULL;
        return -ENOMEM;
    }
    return download_target_open(&download->target, directory, name);
}

// Starts to fetch the file that the search chose, from the sources that it found.
static void download_begin(Download *download, const DownloadChoice *choice) {
    Transfer *transfer = &download->transfer;
    int r;

    transfer->text = choice->text;
    transfer->size = choice->size;
    transfer->has_root = choice->has_root;
    transfer->root = choice->root;
    if (choice->has_root &&
        !(download->stored.filter.has_root && download->stored.filter.has_size)) {
        // From now on the user wants exactly this file. Other files may appear under its name, and
        // records may give its root with another size.
        download->stored.filter = (DownloadFilter){
            .has_root = true, .root = choice->root, .has_size = true, .size = choice->size};
        download_store(download);
    }
    download->promised = choice->has_root && !download->own_file;
    r = download_open_target(download);
    if (r >= 0)
        r = download_target_check_space(&download->target, transfer->size);
    if (r >= 0)
        r = choice->has_root ? download_start_swarm(download, choice)
                             : download_start_seed(download, choice);
    if (r < 0)
        download_local_error(download, r);
}

static void download_not_found(Download *download, const Record records[], size_t n) {
    char message[DOWNLOAD_EXPLANATION_MAX];

    download_choice_explain_none(records, n, &download->stored.filter, download->file_name,
                                 message);
    download_without_source(download, BUS_ERROR_NOT_FOUND, message);
}

static void download_search_failed(Download *download, int error) {
    download_without_source(download,
                            error == -ENOTCONN ? BUS_ERROR_NOT_JOINED : BUS_ERROR_NO_ANSWER,
                            error == -ENOTCONN    ? "not joined to the FileTracker"
                            : error == -ETIMEDOUT ? "the FileTracker does not answer"
                                                  : strerror(-error));
}

static void download_on_found(TrackerSearch *search _unused_, int r, const Record records[],
                              size_t n, void *userdata) {
    Download *download = userdata;
    char message[NAME_BYTES_MAX + 128];
    DownloadChoice choice;

    download->search = NULL;
    download_choose(records, n, &download->stored.filter,
                    tracker_address(download->downloads->parts.tracker), &choice);
    if (download->swarm) { // it runs already and needs only more sources
        SwarmSourceInfo infos[RESULTS_MAX];

        if (r >= 0)
            swarm_add_sources(download->swarm, infos,
                              download_source_infos(download, &choice, infos));
        download_start_timer(download, MORE_SOURCES_USEC);
    } else if (r < 0) {
        download_search_failed(download, r);
    } else if (choice.file_count == 0) {
        download_not_found(download, records, n);
    } else if (choice.file_count > 1) {
        snprintf(message, sizeof(message), "there are %zu different files called \"%s\"",
                 choice.file_count, download->file_name);
        download_finish(download, TRANSFER_FAILED, BUS_ERROR_AMBIGUOUS, message);
    } else
        download_begin(download, &choice);
}

static int download_start_search(Download *download) {
    return tracker_search(download->downloads->parts.tracker, download->file_name,
                          download_on_found, download, &download->search);
}

static void download_search_again(Download *download) {
    int r;

    download_stop_searching(download);
    r = download_start_search(download);
    if (r >= 0)
        transfer_set_state(&download->transfer, TRANSFER_SEARCHING);
    else
        download_search_failed(download, r);
}

static int download_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                             void *userdata) {
    Download *download = userdata;

    if (!download->swarm)
        download_search_again(download);
    else if (!download->search && download_start_search(download) < 0)
        download_start_timer(download, MORE_SOURCES_USEC);
    return 0;
}

static void download_cancel(Transfer *transfer) {
    Download *download = container_of(transfer, Download, transfer);

    download->cancelling = true;
    download_stop_searching(download);
    if (download->swarm) {
        swarm_stop(download->swarm);
        return;
    }
    if (download->seed) {
        download_seed_cancel(download->seed);
        return;
    }
    download->sync = file_sync_free(download->sync);
    if (download->promised) // open the part, which a restart leaves closed, to delete it
        (void)download_open_target(download);
    download_finish(download, TRANSFER_CANCELLED, NULL, NULL);
}

static int download_pause(Transfer *transfer) {
    Download *download = container_of(transfer, Download, transfer);

    if (download->seed)
        return -EOPNOTSUPP; // this download could only start again from the beginning
    if (download->sync || transfer->state == TRANSFER_PAUSED)
        return 0;
    download_stop_searching(download);
    if (download->swarm) {
        download->pausing = true;
        swarm_stop(download->swarm);
    } else
        download_pause_now(download, NULL, NULL);
    return 0;
}

static int download_resume(Transfer *transfer) {
    Download *download = container_of(transfer, Download, transfer);

    if (download->pausing) {
        download->pausing = false; // download_on_swarm_done() starts it again
        return 0;
    }
    if (transfer->state != TRANSFER_PAUSED)
        return 0;
    download->stored.paused = false;
    download_store(download);
    transfer_set_error(transfer, NULL, NULL);
    download->retries = 0;
    download_search_again(download);
    return 0;
}

static uint64_t download_moved(const Transfer *transfer) {
    const Download *download = container_of(transfer, Download, transfer);

    return download->swarm  ? swarm_verified(download->swarm)
           : download->seed ? download_seed_moved(download->seed)
                            : transfer->moved;
}

static void download_free_transfer(Transfer *transfer) {
    download_free(container_of(transfer, Download, transfer));
}

static const TransferOps transfer_ops = {
    .cancel = download_cancel,
    .free = download_free_transfer,
    .pause = download_pause,
    .resume = download_resume,
    .moved = download_moved,
};

static int download_new(Downloads *downloads, const char *file_name, const DownloadFilter *filter,
                        uid_t owner, Download **ret) {
    NameParts parts = name_split(file_name, strlen(file_name));
    Transfer *transfer;
    Download *download;
    int r;

    if (downloads->parts.transfers->downloads >= DOWNLOADS_MAX)
        return -EMFILE;
    download = calloc(1, sizeof(*download));
    if (!download)
        return -ENOMEM;
    download->downloads = downloads;
    download->target = DOWNLOAD_TARGET_INIT;
    download->file_name = strdup(file_name);
    download->stored.file_name = download->file_name;
    download->stored.filter = *filter;
    transfer = &download->transfer;
    transfer->ops = &transfer_ops;
    transfer->direction = TRANSFER_DOWNLOAD;
    transfer->owner = download->stored.owner = owner;
    transfer->state = TRANSFER_SEARCHING;
    snprintf(transfer->text.name, sizeof(transfer->text.name), "%.*s", (int)parts.name_len,
             file_name);
    snprintf(transfer->text.type, sizeof(transfer->text.type), "%.*s", (int)parts.type_len,
             parts.type);
    r = download->file_name
            ? sd_event_add_time(downloads->parts.event, &download->timer, CLOCK_MONOTONIC, 0,
                                USEC_PER_SEC, download_on_timer, download)
            : -ENOMEM;
    if (r >= 0)
        r = sd_event_source_set_enabled(download->timer, SD_EVENT_OFF);
    if (r < 0) {
        download_free(download);
        return r;
    }
    *ret = download;
    return 0;
}

int download_start(Downloads *downloads, const char *file_name, const DownloadFilter *filter,
                   uid_t owner, int destination, Transfer **ret) {
    Download *download;
    int r;

    r = download_new(downloads, file_name, filter, owner, &download);
    if (r < 0)
        return r;
    r = download_start_search(download);
    if (r >= 0)
        r = transfer_add(downloads->parts.transfers, &download->transfer);
    if (r < 0) {
        download_free(download);
        return r;
    }
    download->own_file = destination >= 0;
    download->target.fd = destination;
    download_store(download);
    *ret = &download->transfer;
    return 0;
}

static void download_restore(const StoredTransfer *stored, void *userdata) {
    Download *download;
    Downloads *downloads = userdata;

    if (download_new(downloads, stored->file_name, &stored->filter, stored->owner, &download) < 0)
        return;
    if (transfer_add(downloads->parts.transfers, &download->transfer) < 0) {
        download_free(download);
        return;
    }
    download->stored.key = stored->key;
    download->stored.paused = stored->paused;
    download->promised = true;
    download->transfer.has_root = stored->filter.has_root;
    download->transfer.root = stored->filter.root;
    log_download(download, LOG_INFO, NULL, "Taking up the download of %s again",
                 download->file_name);
    transfer_set_state(&download->transfer, stored->paused ? TRANSFER_PAUSED : TRANSFER_WAITING);
}

void download_restore_all(Downloads *downloads) {
    (void)transfer_store_each(downloads->store, download_restore, downloads);
}

void download_retry_all(Downloads *downloads) {
    Transfer *transfer, *next;

    TAILQ_FOREACH_SAFE (transfer, &downloads->parts.transfers->list, link, next) {
        Download *download = container_of(transfer, Download, transfer);

        if (transfer->ops == &transfer_ops && transfer->state == TRANSFER_WAITING &&
            !download->swarm && !download->seed && !download->search && !download->sync)
            download_search_again(download);
    }
}
