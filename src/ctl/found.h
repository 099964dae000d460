// SPDX-License-Identifier: MIT
#pragma once

// What a search has found: records, and which of them are one file. Pure, but for found_read().

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "ctl/ctl.h"
#include "util/merkle-hash.h"

// A record: a file at a peer. Strings are those of the reply.
typedef struct Found {
    const char *name, *type, *modified, *address;
    uint64_t size; // bytes
    uint16_t port;
    bool has_root;
    MerkleHash root; // what the file is
} Found;

typedef struct FoundList {
    Found *records;
    size_t n;
    sd_bus_message *reply; // holds the strings; NULL: somebody else does
} FoundList;

// Neighbours in a list of records that are the same file, as far as their records say: name, type,
// size and root.
typedef struct File {
    const Found *first;
    size_t n_records, n_sources; // a peer may have told it twice
    const char *modified;        // the latest that any record says
} File;

typedef struct FileList {
    File *files;
    size_t n;
} FileList;

// Reads the reply of Search. 0 or -errno; the list refers to the reply.
int found_read(sd_bus_message *reply, FoundList *ret);
// The same of the files in the reply of Find: a record for each, without address and port.
int found_read_files(sd_bus_message *reply, FoundList *ret, FileList *ret_files);
void found_list_clear(FoundList *list);

// "ADDRESS:PORT" of who has it, as D-Bus writes it. Caller frees; NULL = no memory.
char *found_endpoint(const Found *found);

// The name that the file has at its peer. Caller frees; NULL = no memory.
char *found_file_name(const Found *found);

// Whether `typed` is that name to the letter, not only its part before the extension.
bool found_is_called(const Found *found, const char *typed);

// Drops the records that have another type or size.
void found_filter(FoundList *list, const SearchRequest *options);

// Whether the root begins with these hex digits.
bool found_root_begins(const Found *found, const char *digits);

// Drops the records that are of no use to a download of `typed`: the own peer's (`own`, ADDRESS:PORT)
// if others have it too, what the options rule out, what is called so only without its extension if
// something is to the letter, and what has no root if something has one.
int found_narrow(FoundList *list, const char *typed, const DownloadRequest *options,
                 const char *own);

// Sorts the records and makes files of them, which refer to them; those of one name with most sources
// first. 0 or -ENOMEM.
int found_group(FoundList *list, FileList *ret);
void file_list_clear(FileList *list);

// Whether two files differ for whoever wants what is in them: by root, or where one has none, by name,
// type and size.
bool file_differs(const File *a, const File *b);

// How many different ones there are.
size_t file_list_count_different(const FileList *list);

// Whether files above it in the list have the same name and type, and all are other ones for sure.
bool file_list_is_another(const FileList *list, size_t i);

enum {
    ROOT_DIGITS_MIN = 8,
};
// How many hex digits tell all roots of the list apart: ROOT_DIGITS_MIN or more.
size_t file_list_root_digits(const FileList *list);

// The first `digits` of the root, "-" if the file has none.
void file_format_root(const File *file, size_t digits, char text[static MERKLE_TEXT_BYTES + 1]);

// How many peers there are behind all records. 0 if there is no memory to count them.
size_t found_count_peers(const FoundList *list);
