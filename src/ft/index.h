// SPDX-License-Identifier: MIT
#pragma once

// The index of FT: who shares which file. In memory, by name, many records per name. The hash is keyed
// with a random key, because strangers choose the names.

#include <stddef.h>
#include <stdint.h>

#include "proto/record.h"
#include "util/macro.h"

typedef struct Index Index;
typedef struct IndexRecord IndexRecord;

// The records of one peer. Embed it, zeroed; give it back with index_remove_all() before it goes.
typedef struct IndexOwner {
    LIST_HEAD(, IndexRecord) records;
    size_t count;
} IndexOwner;

int index_new(Index **ret);      // 0 or -ENOMEM
Index *index_free(Index *index); // all owners must have given their records back
DEFINE_CLEANUP_FUNC(Index, index_free)

// Adds a copy of the record, or refreshes date, endpoint and root of the one that this owner has of the
// same file (record_same_file()). 0 or -ENOMEM.
int index_add(Index *index, IndexOwner *owner, const Record *record);

// Whether this owner has a record of that file.
bool index_has(const Index *index, const IndexOwner *owner, const Record *record);

// Removes that file's record; 0, or -ENOENT.
int index_remove(Index *index, IndexOwner *owner, const Record *record);
void index_remove_all(Index *index, IndexOwner *owner);

// Finds `file_name` as a name with its extension, then as a name without one. Writes up to `max` records,
// which stay valid until the index changes, and returns their number.
size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max);

uint64_t index_names(const Index *index);
uint64_t index_records(const Index *index);
