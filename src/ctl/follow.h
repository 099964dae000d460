// SPDX-License-Identifier: MIT
#pragma once

// Follows several downloads at once, and shows their progress on stderr, until all are over.

#include <systemd/sd-event.h>

#include "ctl/fetch.h"

typedef struct Follow {
    Ctl *ctl;
    Fetch **fetches;
    size_t n;
    // Prepares a fetch for its Download call. 0, or -errno with the error printed; then it is over.
    int (*prepare)(Fetch *fetch);
    // Prints the result of a fetch; the progress lines are off the terminal then. Not called for a
    // fetch that a signal has ended early.
    void (*conclude)(Fetch *fetch);

    // Results of follow_run().
    int signal;       // the signal that ended it, or 0
    size_t n_begun;   // the others have not started
    bool unconfirmed; // the daemon may still download some

    size_t n_over; // out of n_begun
    sd_event *event;
    sd_bus_slot *changed, *removed, *owner, *disconnected; // D-Bus matches
    sd_event_source *ticker, *deadline, *signals[3];
    Progress progress;
} Follow;

// Subscribes to all signals of the daemon and the bus. Must be called before anything starts, so
// that none is missed. 0 or -errno.
int follow_subscribe(Follow *follow);

// Starts the fetches, and returns when all are over. -errno only if nothing could start.
int follow_run(Follow *follow);

void follow_clear(Follow *follow);
