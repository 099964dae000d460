// SPDX-License-Identifier: MIT
#pragma once

// A download with the DOWNLOAD request of the seed protocol. It asks one source after another until
// one delivers, and checks only the size.
//
//   connecting ──► waiting ──► active ──► on_done
//        ▲            │           │
//        └────────────┴───────────┘ the next source

#include "config/config.h"
#include "net/poller.h"
#include "peer/downloads/mover.h"
#include "proto/record.h"
#include "util/log.h"

typedef struct DownloadSeed DownloadSeed;

typedef enum DownloadSeedState {
    DOWNLOAD_SEED_CONNECTING,
    DOWNLOAD_SEED_WAITING, // for the answer; the source may have us wait for a slot
    DOWNLOAD_SEED_ACTIVE,
} DownloadSeedState;

typedef struct DownloadSeedJob {
    Poller *poller;
    Mover *mover;
    const PrefixList *exempt; // sources without a download-rate; borrowed until on_done
    bool raw;                 // FT speaks RAW, so expect that its peers do too
    const char *log_name;     // copied
    uint32_t log_transfer;    // the number of the transfer
    LogLimit *log_limit;      // for messages about sources that do not deliver; borrowed
    const Record *record;     // copied
    const Endpoint *sources;
    size_t source_count; // copied
    int fd;              // borrowed until on_done; the download empties the file first

    void (*on_changed)(DownloadSeed *fetch, void *userdata); // the state or the source
    // The download is over; it frees itself after this call. 0: the file is complete and on disk;
    // -ECANCELED; -ENODATA: no source delivered; any other -errno is about our file. `why`: a
    // sentence, or NULL.
    void (*on_done)(DownloadSeed *fetch, int result, const char *why, void *userdata);
    void *userdata;
} DownloadSeedJob;

// May call on_done before it returns. 0 or -ENOMEM.
int download_seed_start(const DownloadSeedJob *job, DownloadSeed **ret);
void download_seed_cancel(DownloadSeed *fetch); // on_done(-ECANCELED), now or soon
// Does not call on_done. Only after the mover has stopped, or if the mover never had the move.
DownloadSeed *download_seed_free(DownloadSeed *fetch);

DownloadSeedState download_seed_state(const DownloadSeed *fetch);
const Endpoint *download_seed_source(const DownloadSeed *fetch); // the one being asked
uint64_t download_seed_moved(const DownloadSeed *fetch);         // bytes of the file
