// SPDX-License-Identifier: MIT
#pragma once

// Asks the daemon who has files of some names, all at once.

#include "ctl/found.h"

typedef struct SearchCall {
    const char *name;
    FoundList found;
    int r; // of the call, with `error`
    sd_bus_error error;
    bool answered;
    sd_bus_slot *call;
} SearchCall;

// Returns when all have been answered, well or not: 0, or -errno if the bus has failed.
int search_calls_run(sd_bus *bus, SearchCall *searches, size_t n);

void search_call_clear(SearchCall *search);

// ADDRESS:PORT that the own peer has told FT, "" where that is not known. Caller frees; NULL = no memory.
char *search_call_own_endpoint(sd_bus *bus);
