// SPDX-License-Identifier: MIT
#pragma once

// What this peer shares: a table that a walk (share-scan.h) makes, and that only learns roots and
// errors afterwards; a rescan makes a new one. Only files that are in it are ever opened for a
// stranger.
//
// A million files take some 100 MB, their names and both look-ups included: entries of one cache
// line, in chunks; a directory is stored once; indexes hold numbers.

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "peer/shares/share-file.h"
#include "proto/record.h"
#include "util/macro.h"
#include "util/merkle-hash.h"

typedef enum ShareState {
    SHARE_HASHING,    // its root is not known yet
    SHARE_OFFERED,    // goes to FT, as far as FT keeps that many
    SHARE_UNREADABLE, // error says why
    SHARE_VANISHED,   // configured, and not there
    SHARE_DUPLICATE,  // another one has the same name, type and size
    SHARE_UNNAMEABLE, // its name cannot be said in the protocol
    _SHARE_STATE_COUNT,
} ShareState;

// As on D-Bus.
const char *share_state_name(ShareState state);

typedef struct Share Share;
typedef struct ShareTable ShareTable;

int share_table_new(ShareTable **ret);
ShareTable *share_table_free(ShareTable *table);
DEFINE_CLEANUP_FUNC(ShareTable, share_table_free)

// Building it: directories and files in the order that counts, then share_table_seal(). path[0 ..
// root_len) is the directory that must not be left. `target`: the real path of the one file in this
// directory that was configured itself (taken over), NULL for all others. All return 0, -ENOMEM or
// -E2BIG.
int share_table_add_directory(ShareTable *table, const char *path, size_t root_len, char *target,
                              uint32_t *ret);
// A file, or what stands where one was expected (st NULL; `error`, an errno, says why it is none).
int share_table_add(ShareTable *table, uint32_t directory, const char *file_name,
                    const struct stat *st, int error);
int share_table_seal(ShareTable *table);

size_t share_table_count(const ShareTable *table); // NULL: 0
size_t share_table_count_state(const ShareTable *table, ShareState state);
const Share *share_table_at(const ShareTable *table, size_t i);
size_t share_index(const Share *share);

// The file that a DOWNLOAD means: name.type, then name; its size must be the one of the record.
// NULL: not shared. Files beyond FT's limit are shared too, for whoever knows of them.
const Share *share_table_find(const ShareTable *table, const char *name, const char *type,
                              uint64_t size);
// Any file with that content that was hashed; NULL: none.
const Share *share_table_find_root(const ShareTable *table, const MerkleHash *root);

// Before the table is sealed, a root that is known from earlier; after that, what hashing has
// found.
void share_table_set_root(ShareTable *table, size_t i, const MerkleHash *root);
void share_table_set_error(ShareTable *table, size_t i, int error);

char *share_make_path(const Share *share); // absolute; the caller's; NULL: out of memory
size_t share_path_len(const Share *share);
ShareState share_state(const Share *share);
int share_error(const Share *share); // errno > 0 of SHARE_UNREADABLE and SHARE_VANISHED
const char *share_error_text(const Share *share);
uint64_t share_stamp(const Share *share); // of the file's identity when it was walked
Record share_record(const Share *share);  // borrowed strings, no endpoint

// Where the file is, for a thread.
int share_file(const Share *share, ShareFile *ret); // 0 or -ENOMEM

// share_file_open() of a file that is shared.
int share_open(const Share *share);
