// SPDX-License-Identifier: MIT
#pragma once

// A download as the seed has it: DOWNLOAD to one source after the other, until one delivers.
// Nothing but the size is checked.
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
    DOWNLOAD_SEED_WAITING, // for an answer, perhaps for a slot there
    DOWNLOAD_SEED_ACTIVE,
} DownloadSeedState;

typedef struct DownloadSeedJob {
    Poller *poller;
    Mover *mover;
    const PrefixList *exempt; // from the download-rate; borrowed until on_done
    bool raw;                 // FT speaks RAW, so its peers do
    const char *log_name;     // copied
    uint32_t log_transfer;    // the number of the transfer
    LogLimit *log_limit;      // of sources that do not deliver; borrowed
    const Record *record;     // copied
    const Endpoint *sources;
    size_t source_count; // copied
    int fd;              // borrowed until on_done; is emptied

    void (*on_changed)(DownloadSeed *fetch, void *userdata); // state, source
    // It is over, and gone after the call. 0: the file is whole and on disk; -ECANCELED; -ENODATA:
    // no source has delivered; another -errno is about the file. `why`: a sentence, or NULL.
    void (*on_done)(DownloadSeed *fetch, int result, const char *why, void *userdata);
    void *userdata;
} DownloadSeedJob;

// on_done may come before it returns. 0 or -ENOMEM.
int download_seed_start(const DownloadSeedJob *job, DownloadSeed **ret);
void download_seed_cancel(DownloadSeed *fetch); // on_done(-ECANCELED), now or soon
// Without on_done; the mover has stopped or never had it.
DownloadSeed *download_seed_free(DownloadSeed *fetch);

DownloadSeedState download_seed_state(const DownloadSeed *fetch);
const Endpoint *download_seed_source(const DownloadSeed *fetch); // that is being asked
uint64_t download_seed_moved(const DownloadSeed *fetch);         // bytes of the file
