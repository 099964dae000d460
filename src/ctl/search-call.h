// SPDX-License-Identifier: MIT
#pragma once

// Calls Search for several names at once.

#include "ctl/found.h"

typedef struct SearchCall {
    const char *name;
    FoundList found;
    int r; // of the call, together with `error`
    sd_bus_error error;
    bool answered;
    sd_bus_slot *call;
} SearchCall;

// Returns when each call has its answer or its error. 0, or -errno if the bus has failed.
int search_calls_run(sd_bus *bus, SearchCall *searches, size_t n);

void search_call_clear(SearchCall *search);

// The ADDRESS:PORT under which this peer is known to FT; "" if unknown. Caller frees; NULL = no
// memory.
char *search_call_own_endpoint(sd_bus *bus);
