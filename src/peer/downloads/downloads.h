// SPDX-License-Identifier: MIT
#pragma once

// Everything that all downloads share: the receiving thread with its swarms and its mover, the
// rate, the directory, and the store of promised downloads. See download.h for a single download.

#include <systemd/sd-event.h>

#include "config/config.h"
#include "net/loop-thread.h"
#include "net/poller.h"
#include "peer/base/transfer.h"
#include "peer/downloads/file-sync.h"
#include "peer/downloads/mover.h"
#include "peer/downloads/transfer-store.h"
#include "peer/swarm/swarm.h"
#include "peer/tracker/tracker-client.h"
#include "util/log.h"
#include "util/rate-limit.h"

// Modules that downloads depend on. All are borrowed until downloads_done().
typedef struct DownloadsParts {
    sd_event *event;
    Poller *poller;
    TransferTable *transfers;
    Tracker *tracker;
} DownloadsParts;

typedef struct DownloadsConfig {
    const char *directory;    // borrowed until the next configuration
    const PrefixList *exempt; // sources without a rate limit; borrowed likewise
    uint64_t rate;            // bytes per second; 0: no limit
} DownloadsConfig;

typedef struct Downloads {
    DownloadsParts parts;
    DownloadsConfig config;
    LoopThread *thread;
    Mover *mover;        // runs in `thread`
    SwarmEngine *swarms; // runs in `thread`
    RateLimit rate;      // only `thread` uses it
    TransferStore *store;
    FileSyncs syncs;
    LogLimit source_log;     // for messages about sources without roots
    int directory_error;     // -errno; 0: the directory is writable
    char *directory_problem; // the same error as text; NULL: none
} Downloads;

// Opens the store in `state_dir`. If that fails, logs it and uses a store in memory. 0 or -errno.
int downloads_init(Downloads *downloads, const DownloadsParts *parts, const char *state_dir,
                   const DownloadsConfig *config);
int downloads_start(Downloads *downloads); // starts the threads; 0 or -errno
// Stops the threads. The caller must still free the transfers of running downloads.
void downloads_stop(Downloads *downloads);
// Only after downloads_stop().
void downloads_done(Downloads *downloads);

void downloads_configure(Downloads *downloads, const DownloadsConfig *config);
// Checks whether the directory is writable, and logs the reason if it is not.
void downloads_check_directory(Downloads *downloads);

// How long one of the threads has not answered, in µs; 0: all threads answer.
uint64_t downloads_silence(Downloads *downloads, uint64_t now);
// Counted since the start: bytes received, and sources that sent wrong bytes. Any thread may call
// these.
uint64_t downloads_received(const Downloads *downloads);
uint64_t downloads_wrong_sources(const Downloads *downloads);
