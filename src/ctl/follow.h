// SPDX-License-Identifier: MIT
#pragma once

// One download of the daemon's, from the Download call to its end, with progress on stderr.

#include <systemd/sd-event.h>

#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/target.h"
#include "ctl/transfer-info.h"

typedef struct Follow {
    Ctl *ctl;
    const char *name; // as typed
    Target *target;   // NULL = the daemon's own directory

    // How it ended; read after follow_run().
    TransferInfo transfer;
    int r; // of a call that failed, with `error`
    sd_bus_error error;
    bool lost;          // the daemon, or the bus, is gone
    bool target_failed; // as has been printed
    int signal;         // that ended it, or 0
    uint64_t begun;     // CLOCK_MONOTONIC, µs

    bool over;
    sd_event *event;
    sd_bus_slot *changed, *removed, *owner, *disconnected; // matches
    sd_bus_slot *call, *get_all;                           // pending calls
    sd_event_source *ticker, *deadline, *signals[3];
    char *path;   // of the transfer; NULL until Download has been answered
    char *daemon; // who answered: its unique name on the bus
    Progress progress;
} Follow;

// Matches every signal of interest; before anything starts, so that none is missed. 0, or -errno.
int follow_subscribe(Follow *follow);

// Calls Download and returns when it is over, well or not. -errno only if it could not begin.
int follow_run(Follow *follow);

void follow_clear(Follow *follow);
