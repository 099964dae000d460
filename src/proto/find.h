// SPDX-License-Identifier: MIT
#pragma once

// A search by words: FIND and its answer MATCHES, see protocol.h. In LINE only.

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/protocol.h"
#include "proto/record.h"

// What to search for.
typedef struct FindRequest {
    char text[FIND_TEXT_MAX + 1];  // the words as typed: UTF-8 without control characters
    char type[TYPE_BYTES_MAX + 1]; // of the files; "": any
    uint64_t min_size, max_size;   // bytes, both included
    uint32_t limit;                // files in the answer, 1..FIND_RESULTS_MAX
} FindRequest;

// Whether the text can be searched for: it needs at least one character that is not a space. 0 or
// -EBADMSG.
int find_text_check(const char *text);

// A file that was found: records with the same name, type, size and root.
typedef struct FoundFile {
    const char *name, *type; // valid, as in Record; borrowed
    uint64_t size;           // bytes
    Date modified;           // the latest date of its records
    uint32_t sources;
    bool has_root;
    MerkleHash root;
} FoundFile;

typedef struct FindSummary {
    uint64_t total; // files found; the answer may have fewer
    bool at_least;  // FT has stopped early
    uint32_t peers; // that have any of them
} FindSummary;

typedef struct FoundFileEntry {
    FoundFile file; // its strings are in `text`
    RecordText text;
} FoundFileEntry;

// A parsed answer.
typedef struct FoundFiles {
    FindSummary summary;
    size_t n;
    FoundFileEntry *entries;
} FoundFiles;

// Finds the files that fit the request among these records, for an FT that has no FIND. Writes at
// most `n` files. Returns how many.
size_t find_among_records(const FindRequest *request, const Record records[], size_t n,
                          FoundFile files[], FindSummary *summary);

int find_parse(const Message *message, FindRequest *ret); // parses a FIND; 0 or -EBADMSG
int find_put(Buffer *out, const FindRequest *request);    // 0 or -ENOMEM

// Writes MATCHES with as many files as fit. 0 or -ENOMEM.
int matches_put(Buffer *out, const FindSummary *summary, const FoundFile files[], size_t n);
// Parses MATCHES and skips files that it cannot parse. 0, -ENOMEM, or -EBADMSG: not a MATCHES.
// Clear *ret afterwards.
int matches_parse(const Message *message, FoundFiles *ret);
void found_files_clear(FoundFiles *files);
