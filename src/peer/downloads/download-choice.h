// SPDX-License-Identifier: MIT
#pragma once

// Chooses the file to download among the records that FT found: no I/O, no state.

#include <stdbool.h>
#include <stddef.h>

#include "proto/record.h"

// Narrows the records to those that the caller means. A field that is not set matches everything.
typedef struct DownloadFilter {
    bool has_type, has_size, has_address, has_port, has_root;
    char type[TYPE_BYTES_MAX + 1];
    uint64_t size;
    IpAddress address;
    uint16_t port;
    MerkleHash root;
} DownloadFilter;

typedef struct DownloadChoice {
    // How many different files fit the filter. The members below are set only if it is 1.
    size_t file_count;
    RecordText text; // name and type
    uint64_t size;
    bool has_root;
    MerkleHash root;
    Endpoint sources[RESULTS_MAX];
    size_t source_count;
} DownloadChoice;

// Two records mean different files if their roots differ. If no record has a root, they do so if
// name, type or size differ. If only some have a root, the others are ignored: nothing shows that
// they mean the same file. If records with the same root disagree on the size, the most common size
// wins. `self` (NULL: none) is this peer, which is never a source.
void download_choose(const Record records[], size_t n, const DownloadFilter *filter,
                     const Endpoint *self, DownloadChoice *ret);

enum {
    DOWNLOAD_EXPLANATION_MAX = NAME_BYTES_MAX + 128,
};

// Tells the user why the records hold no file to download. Call it after download_choose() found
// none with this peer as `self`.
void download_choice_explain_none(const Record records[], size_t n, const DownloadFilter *filter,
                                  const char *file_name,
                                  char message[static DOWNLOAD_EXPLANATION_MAX]);
