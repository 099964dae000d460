// SPDX-License-Identifier: MIT
#pragma once

// One download that the daemon makes: from the Download call to its end.
//
//   fetch_begin ─► Download ─► GetAll, PropertiesChanged … ─► over
//
// A fetch is over when the transfer has ended, a call has failed or the daemon has stopped. It is
// also over when the daemon has paused the transfer, because p2pctl cannot resume it by waiting.

#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/search-call.h"
#include "ctl/target.h"
#include "ctl/transfer-info.h"

typedef struct Fetch Fetch;

struct Fetch {
    Ctl *ctl;
    const char *name;              // as typed
    const File *file;              // the file that was chosen among those of that name
    char *file_name;               // the name that the file gets
    Target *target;                // NULL: the daemon's own directory
    void (*on_over)(Fetch *fetch); // fetch_end() calls it once
    void *userdata;                // for on_over

    // The result; valid when `over` is true.
    TransferInfo transfer;
    int r; // of the call that failed, together with `error`
    sd_bus_error error;
    bool lost;      // the daemon or the bus has stopped
    bool cancelled; // p2pctl has cancelled it, and the daemon has confirmed that
    bool over;
    bool asking;           // polkit is asking the user for a password
    uint64_t begun, ended; // CLOCK_MONOTONIC, µs
    uint64_t resumed;      // bytes that were there and correct at the start

    char *path;   // object path of the transfer; NULL until the daemon answers
    char *daemon; // unique bus name of the sender of that answer
    sd_bus_slot *call, *get_all;
    bool checked, checking; // the daemon has checked, or checks, the existing part
    bool fetching;          // bytes have arrived before any check
    ProgressRate rate;
};

// Calls Download, and then follows the transfer. 0 or -errno.
int fetch_begin(Fetch *fetch);

// Calls Download, and returns when the transfer has started or failed, or after some seconds. Does
// not follow the transfer. 0, or -errno with the error set.
int fetch_start_only(Fetch *fetch);

// Handle the signals PropertiesChanged and TransferRemoved, whichever transfer they are about.
void fetch_take_change(Fetch *fetch, sd_bus_message *message);
void fetch_take_removal(Fetch *fetch, sd_bus_message *message);

// Ends the fetch because the daemon or the bus has stopped.
void fetch_lose(Fetch *fetch);

// Tells the daemon to cancel, and waits for its answer until `deadline` (CLOCK_MONOTONIC, µs). 0,
// even if the transfer has just ended; or -errno. The fetch is over only when the daemon has closed
// the file.
int fetch_cancel(Fetch *fetch, uint64_t deadline);

// Stops following the transfer, whatever state it is in.
void fetch_end(Fetch *fetch);

// Whether the transfer has ended, or the daemon has paused it.
bool fetch_has_stopped(const Fetch *fetch);

// Whether a later attempt can continue with the bytes that have arrived.
bool fetch_can_resume(const Fetch *fetch);

// The content of its progress line. Refers to strings of the fetch.
ProgressView fetch_view(Fetch *fetch);

void fetch_clear(Fetch *fetch);
