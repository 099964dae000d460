// SPDX-License-Identifier: MIT
#pragma once

// What all downloads share: the thread that receives, the swarms and the mover in it, the rate, the
// directory they go to, and the list of those that have been promised. download.h is one of them.

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

// What downloads need from below; all of it is borrowed until downloads_done().
typedef struct DownloadsParts {
    sd_event *event;
    Poller *poller;
    TransferTable *transfers;
    Tracker *tracker;
} DownloadsParts;

typedef struct DownloadsConfig {
    const char *directory;    // borrowed until the next configuration
    const PrefixList *exempt; // from the rate; likewise
    uint64_t rate;            // bytes per second; 0: no limit
} DownloadsConfig;

typedef struct Downloads {
    DownloadsParts parts;
    DownloadsConfig config;
    LoopThread *thread;
    Mover *mover;        // in that thread
    SwarmEngine *swarms; // the same
    RateLimit rate;      // that thread's
    TransferStore *store;
    FileSyncs syncs;
    LogLimit source_log;     // of sources without roots
    int directory_error;     // -errno; 0: it can be written to
    char *directory_problem; // the same for people; NULL: there is none
} Downloads;

// Opens the store in `state_dir`, or one in memory where that cannot be, which is logged. 0 or
// -errno.
int downloads_init(Downloads *downloads, const DownloadsParts *parts, const char *state_dir,
                   const DownloadsConfig *config);
int downloads_start(Downloads *downloads); // the threads; 0 or -errno
// Ends the threads. The transfers of downloads that are under way are still to be freed.
void downloads_stop(Downloads *downloads);
// After that.
void downloads_done(Downloads *downloads);

void downloads_configure(Downloads *downloads, const DownloadsConfig *config);
// Looks whether the directory can be written to, and logs why not.
void downloads_check_directory(Downloads *downloads);

// For how long one of the threads has not answered, µs; 0: all have.
uint64_t downloads_silence(Downloads *downloads, uint64_t now);
// Since the start, from any thread: bytes received, and sources that sent what is not in the file.
uint64_t downloads_received(const Downloads *downloads);
uint64_t downloads_wrong_sources(const Downloads *downloads);
