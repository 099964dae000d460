// SPDX-License-Identifier: MIT
#pragma once

// The table of what this peer shares. A walk (share-scan.h) makes it; after that, only roots and
// errors are added, and a rescan makes a new table. The peer never opens a file for a stranger
// unless it is in the table.
//
// A million files take about 100 MB, with their names and both indexes. An entry is one cache line,
// and entries are allocated in chunks. A directory is stored once, and indexes hold numbers instead
// of pointers.

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "peer/shares/share-file.h"
#include "proto/record.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

typedef enum ShareState {
    SHARE_HASHING,    // its root is not known yet
    SHARE_OFFERED,    // published, unless FT keeps fewer files
    SHARE_UNREADABLE, // error says why
    SHARE_VANISHED,   // configured, but missing
    SHARE_DUPLICATE,  // another file has the same name, type and size
    SHARE_UNNAMEABLE, // the protocol cannot express its name
    _SHARE_STATE_COUNT,
} ShareState;

// The name that D-Bus uses.
const char *share_state_name(ShareState state);

typedef struct Share Share;
typedef struct ShareTable ShareTable;

int share_table_new(ShareTable **ret);
ShareTable *share_table_free(ShareTable *table);
DEFINE_CLEANUP_FUNC(ShareTable, share_table_free)

// To build a table, add directories and files in order of precedence, then call share_table_seal().
// The files must stay below path[0 .. root_len). `target`: the real path of the one file in this
// directory that the configuration names itself (taken over); NULL for all other directories. All
// of these return 0, -ENOMEM or -E2BIG.
int share_table_add_directory(ShareTable *table, const char *path, size_t root_len, char *target,
                              uint32_t *ret);
// Adds a file. If `st` is NULL, no file was found there, and `error` is the errno that says why.
int share_table_add(ShareTable *table, uint32_t directory, const char *file_name,
                    const struct stat *st, int error);
int share_table_seal(ShareTable *table);

size_t share_table_count(const ShareTable *table); // NULL: 0
size_t share_table_count_state(const ShareTable *table, ShareState state);
const Share *share_table_at(const ShareTable *table, size_t i);
size_t share_index(const Share *share);

// Finds the file that a DOWNLOAD asks for: first the file called name.type, then the file called
// `name`. Its size must be that of the record. NULL: not shared. Files beyond FT's limit are found
// too, for peers that know of them.
const Share *share_table_find(const ShareTable *table, const char *name, const char *type,
                              uint64_t size);
// Finds any hashed file with that content; NULL: none.
const Share *share_table_find_root(const ShareTable *table, const MerkleHash *root);

// Sets a root: before the table is sealed, one that the cache knows; afterwards, one that the
// hasher computed.
void share_table_set_root(ShareTable *table, size_t i, const MerkleHash *root);
void share_table_set_error(ShareTable *table, size_t i, int error);

char *share_make_path(const Share *share); // absolute; caller frees; NULL: no memory
size_t share_path_len(const Share *share);
ShareState share_state(const Share *share);
// An errno > 0, set for SHARE_UNREADABLE and SHARE_VANISHED.
int share_error(const Share *share);
const char *share_error_text(const Share *share);
uint64_t share_stamp(const Share *share); // of the identity that the walk saw
Record share_record(const Share *share);  // borrows its strings; no endpoint

// Copies the file's place for use in a thread. The caller calls share_file_done().
int share_file(const Share *share, ShareFile *ret); // 0 or -ENOMEM

// As share_file_open(), for an entry of the table.
int share_open(const Share *share);
