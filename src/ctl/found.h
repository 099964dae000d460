// SPDX-License-Identifier: MIT
#pragma once

// Results of a search: records, and the files that these records belong to. Pure, except for
// reading the replies.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "ctl/ctl.h"
#include "util/merkle-hash.h"

// A record: one file at one peer. The reply owns the strings.
typedef struct Found {
    const char *name, *type, *modified, *address;
    uint64_t size; // bytes
    uint16_t port;
    bool has_root;
    MerkleHash root; // identifies the content of the file
} Found;

typedef struct FoundList {
    Found *records;
    size_t n;
    sd_bus_message *reply; // owns the strings; NULL: the caller does
} FoundList;

// Neighbouring records of a list that have equal names, types, sizes and roots.
typedef struct File {
    const Found *first;
    size_t n_records, n_sources; // n_sources counts a peer once, even with several records
    const char *modified;        // the latest of all records
} File;

typedef struct FileList {
    File *files;
    size_t n;
} FileList;

// Reads the reply of Search. The list refers to the reply. 0 or -errno.
int found_read(sd_bus_message *reply, FoundList *ret);
// Reads the files in the reply of Find: one record each, without address and port.
int found_read_files(sd_bus_message *reply, FoundList *ret, FileList *ret_files);
void found_list_clear(FoundList *list);

// "ADDRESS:PORT" of the peer, as D-Bus writes it. Caller frees; NULL = no memory.
char *found_endpoint(const Found *found);

// The name of the file at that peer. Caller frees; NULL = no memory.
char *found_file_name(const Found *found);

// Whether `typed` is exactly that name, with the extension.
bool found_is_called(const Found *found, const char *typed);

// Keeps only records of the type and size that the options ask for.
void found_filter(FoundList *list, const SearchRequest *options);

// Whether the root begins with these hex digits.
bool found_root_begins(const Found *found, const char *digits);

// Keeps the records that are useful to a download of `typed`. Drops those that the options exclude.
// Then prefers other peers to this one (`own`, ADDRESS:PORT), exact names to names without
// extension, and records with a root to others; the less preferred stay only if there is nothing
// else.
int found_narrow(FoundList *list, const char *typed, const DownloadRequest *options,
                 const char *own);

// Sorts the records and groups them into files, which refer to them. Among files of one name, the
// one with most sources comes first. 0 or -ENOMEM.
int found_group(FoundList *list, FileList *ret);
void file_list_clear(FileList *list);

// Whether two files have different content: their roots differ or, if one has no root, their names,
// types or sizes.
bool file_differs(const File *a, const File *b);

// The number of files with different content.
size_t file_list_count_different(const FileList *list);

// Whether files above it in the list have the same name and type, but certainly other content.
bool file_list_is_another(const FileList *list, size_t i);

enum {
    ROOT_DIGITS_MIN = 8,
};
// How many hex digits distinguish all roots of the list; at least ROOT_DIGITS_MIN.
size_t file_list_root_digits(const FileList *list);

// The first `digits` of the root; "-" without a root.
void file_format_root(const File *file, size_t digits, char text[static MERKLE_TEXT_BYTES + 1]);

// The number of peers behind all records; 0 without memory to count them.
size_t found_count_peers(const FoundList *list);
