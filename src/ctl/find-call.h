// SPDX-License-Identifier: MIT
#pragma once

// A search by words.

#include "ctl/found.h"

typedef struct FindResult {
    FoundList found; // a record for each file, without address and port
    FileList files;  // in the order of the FileTracker: the most wanted first
    uint64_t total;  // of which these are the first
    bool at_least;
    uint32_t peers;
    bool whole_name; // this FileTracker knows no words
} FindResult;

// Asks for the files that have all these words. 0, or -errno and the error. To be cleared.
int find_call_run(sd_bus *bus, char *const words[], size_t n, const SearchRequest *options,
                  FindResult *ret, sd_bus_error *error);
void find_result_clear(FindResult *result);
