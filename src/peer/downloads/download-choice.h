// SPDX-License-Identifier: MIT
#pragma once

// Which of the records that FT has found are meant, and whether they are one file. Pure.

#include <stdbool.h>
#include <stddef.h>

#include "proto/record.h"

// What the caller narrows the records to; what is not set does not matter.
typedef struct DownloadFilter {
    bool has_type, has_size, has_address, has_port, has_root;
    char type[TYPE_BYTES_MAX + 1];
    uint64_t size;
    IpAddress address;
    uint16_t port;
    MerkleHash root;
} DownloadFilter;

typedef struct DownloadChoice {
    size_t file_count; // different files that fit; what follows is set if it is 1
    RecordText text;   // name and type
    uint64_t size;
    bool has_root;
    MerkleHash root;
    Endpoint sources[RESULTS_MAX];
    size_t source_count;
} DownloadChoice;

// Files are different if their roots are, or their name, type or size where no record has a root: a
// record without one is passed over where another one has it, for nothing says that it is the same
// file. Of records that agree in the root and not in the size, the size that most have counts.
// `self` (NULL: none) is no source.
void download_choose(const Record records[], size_t n, const DownloadFilter *filter,
                     const Endpoint *self, DownloadChoice *ret);

enum {
    DOWNLOAD_EXPLANATION_MAX = NAME_BYTES_MAX + 128,
};

// Why the records hold no file to download, for the user: download_choose() has found none, with
// this peer as `self`.
void download_choice_explain_none(const Record records[], size_t n, const DownloadFilter *filter,
                                  const char *file_name,
                                  char message[static DOWNLOAD_EXPLANATION_MAX]);
