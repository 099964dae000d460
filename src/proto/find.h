// SPDX-License-Identifier: MIT
#pragma once

// A search by words: FIND and its answer MATCHES, see protocol.h. In LINE only.

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/protocol.h"
#include "proto/record.h"

// What is searched for.
typedef struct FindRequest {
    char text[FIND_TEXT_MAX + 1]; // UTF-8 without control characters; the words, as they were typed
    char type[TYPE_BYTES_MAX + 1]; // of the files; "": any
    uint64_t min_size, max_size;   // bytes, both included
    uint32_t limit;                // files in the answer, 1..FIND_RESULTS_MAX
} FindRequest;

// What can be searched for at all: at least one character that is not a space. -EBADMSG: not that.
int find_text_check(const char *text);

// A file that was found: records that agree in name, type, size and root.
typedef struct FoundFile {
    const char *name, *type; // valid, as in Record; borrowed
    uint64_t size;           // bytes
    Date modified;           // the latest that a record says
    uint32_t sources;
    bool has_root;
    MerkleHash root;
} FoundFile;

typedef struct FindSummary {
    uint64_t total; // files found, of which the answer may hold fewer
    bool at_least;  // FT has not looked at everything
    uint32_t peers; // that have any of them
} FindSummary;

// What has been parsed of an answer.
typedef struct FoundFiles {
    FindSummary summary;
    size_t n;
    struct {
        FoundFile file; // its strings are in `text`
        RecordText text;
    } * entries;
} FoundFiles;

// What of these records fits the request: for an FT that knows no words. Writes at most `n` files and returns how many.
size_t find_among_records(const FindRequest *request, const Record records[], size_t n,
                          FoundFile files[], FindSummary *summary);

int find_parse(const Message *message, FindRequest *ret); // of a FIND; 0 or -EBADMSG
int find_put(Buffer *out, const FindRequest *request);    // 0 or -ENOMEM

// MATCHES with as many of the files as it holds. 0 or -ENOMEM.
int matches_put(Buffer *out, const FindSummary *summary, const FoundFile files[], size_t n);
// A file that is none is left out. 0, -ENOMEM, or -EBADMSG: not a MATCHES. To be cleared.
int matches_parse(const Message *message, FoundFiles *ret);
void found_files_clear(FoundFiles *files);
