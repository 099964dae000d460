// SPDX-License-Identifier: MIT
#pragma once

// Several downloads at once, with their progress on stderr, until all are over.

#include <systemd/sd-event.h>

#include "ctl/fetch.h"

typedef struct Follow {
    Ctl *ctl;
    Fetch **fetches;
    size_t n;
    // Makes a fetch ready for its Download call: 0, or -errno as has been printed; it is over then.
    int (*prepare)(Fetch *fetch);
    // What came of it is to be printed; nothing stands on the terminal meanwhile. Not called for those that
    // a signal has ended before they were done.
    void (*conclude)(Fetch *fetch);

    // Read after follow_run().
    int signal;       // that ended it, or 0
    size_t n_begun;   // the others have not been touched
    bool unconfirmed; // that all were cancelled

    size_t n_over; // of those that have begun
    sd_event *event;
    sd_bus_slot *changed, *removed, *owner, *disconnected; // matches
    sd_event_source *ticker, *deadline, *signals[3];
    Progress progress;
} Follow;

// Matches every signal of interest; before anything starts, so that none is missed. 0, or -errno.
int follow_subscribe(Follow *follow);

// Begins the fetches, and returns when all are over. -errno only if it could not begin.
int follow_run(Follow *follow);

void follow_clear(Follow *follow);
