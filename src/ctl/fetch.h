// SPDX-License-Identifier: MIT
#pragma once

// One download of the daemon's: from the Download call to its end.
//
//   fetch_begin ─► Download ─► GetAll, PropertiesChanged … ─► over
//
// It is over when the transfer has ended, when a call has failed, when the daemon has gone, or when the
// transfer has paused by itself, for then nobody who waits could do anything about it from here.

#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/search-call.h"
#include "ctl/target.h"
#include "ctl/transfer-info.h"

typedef struct Fetch Fetch;

struct Fetch {
    Ctl *ctl;
    const char *name;              // as typed
    const File *file;              // what of that name
    char *file_name;               // as it will be called
    Target *target;                // NULL = the daemon's own directory
    void (*on_over)(Fetch *fetch); // once; called by fetch_end()
    void *userdata;                // of whoever set on_over

    // How it ended, when it is over.
    TransferInfo transfer;
    int r; // of a call that failed, with `error`
    sd_bus_error error;
    bool lost;      // the daemon, or the bus, is gone
    bool cancelled; // by us, as the daemon has confirmed
    bool over;
    bool asking;           // polkit asks the user for a password
    uint64_t begun, ended; // CLOCK_MONOTONIC, µs
    uint64_t resumed;      // bytes that were right before it began

    char *path;   // of the transfer; NULL until Download has been answered
    char *daemon; // who answered: its unique name on the bus
    sd_bus_slot *call, *get_all;
    bool checked, checking; // what was there already
    bool fetching;          // something has come before any check
    ProgressRate rate;
};

// Calls Download, and follows what becomes of it. 0 or -errno.
int fetch_begin(Fetch *fetch);

// Calls Download, and returns when the transfer has begun or failed, or when that takes long. It is not followed any
// further. 0, or -errno with the error set.
int fetch_start_only(Fetch *fetch);

// A signal PropertiesChanged or TransferRemoved, of whatever transfer.
void fetch_take_change(Fetch *fetch, sd_bus_message *message);
void fetch_take_removal(Fetch *fetch, sd_bus_message *message);

// The daemon, or the bus, has gone.
void fetch_lose(Fetch *fetch);

// Asks the daemon to stop, and waits for its answer until `deadline` (CLOCK_MONOTONIC µs). 0, also where
// it has ended by itself, or -errno. It is over when the daemon has put the file down.
int fetch_cancel(Fetch *fetch, uint64_t deadline);

// Ends the following of it, whatever the transfer does.
void fetch_end(Fetch *fetch);

// Whether it has ended, or paused by itself.
bool fetch_has_stopped(const Fetch *fetch);

// Whether an attempt begun later can go on from what has come.
bool fetch_can_resume(const Fetch *fetch);

// What its line of progress says; refers to a string of the fetch.
ProgressView fetch_view(Fetch *fetch);

void fetch_clear(Fetch *fetch);
