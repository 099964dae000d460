// SPDX-License-Identifier: MIT
#pragma once

// Calls Find, the search by words.

#include "ctl/found.h"

typedef struct FindResult {
    FoundList found; // one record for each file, without address and port
    FileList files;  // in the order of the FileTracker, best first
    uint64_t total;  // number of matching files, of which `files` are the first
    bool at_least;
    uint32_t peers;
    bool whole_name; // this FileTracker cannot search by words
} FindResult;

// Asks for the files whose names have all these words. 0, or -errno with *error set. The caller
// clears *ret.
int find_call_run(sd_bus *bus, char *const words[], size_t n, const SearchRequest *options,
                  FindResult *ret, sd_bus_error *error);
void find_result_clear(FindResult *result);
