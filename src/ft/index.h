// SPDX-License-Identifier: MIT
#pragma once

// FT's index: who shares which file. It is in memory and maps a name to many records. The hash has
// a random key, because strangers choose the names. Every call is short, however large the index
// is.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/find.h"
#include "proto/record.h"
#include "util/macro.h"

typedef struct Index Index;
typedef struct IndexOwner IndexOwner; // a peer, as the holder of its records

int index_new(Index **ret);      // 0 or -ENOMEM
Index *index_free(Index *index); // all owners must have left
DEFINE_CLEANUP_FUNC(Index, index_free)

// Indexes the words of names as well, which takes memory. Call it before adding records. 0 or
// -ENOMEM.
int index_add_words(Index *index);
bool index_has_words(const Index *index);

IndexOwner *index_owner_new(Index *index);         // NULL: out of memory
size_t index_owner_count(const IndexOwner *owner); // records; 0 for NULL
// The address and port in its first record.
const Endpoint *index_owner_endpoint(const IndexOwner *owner);
// For an owner without records. Records that are added bring their own.
void index_owner_set_endpoint(IndexOwner *owner, const Endpoint *endpoint);
// Whether search results list its records behind those of other owners.
void index_owner_set_last(IndexOwner *owner, bool last);

// Walks the records in no order. Begin with *cursor == 0. False: the end. *ret is valid until the
// index changes.
bool index_owner_next(const Index *index, const IndexOwner *owner, uint32_t *cursor, Record *ret);

// Removes the owner. Lookups find none of its records from now on. If it has many, index_work() and
// additions free their memory step by step. NULL is allowed.
void index_owner_leave(Index *index, IndexOwner *owner);

// Frees memory of departed owners. False: nothing is left to do.
bool index_work(Index *index);

// Adds a copy of the record. If this owner already has one of the same file (record_same_file()),
// it gets the new date, endpoint and root instead. 0 or -ENOMEM.
int index_add(Index *index, IndexOwner *owner, const Record *record);

// Whether this owner has a record of that file.
bool index_has(const Index *index, const IndexOwner *owner, const Record *record);

// Removes the owner's record of that file. 0 or -ENOENT.
int index_remove(Index *index, IndexOwner *owner, const Record *record);

// Finds `file_name` as a name with its extension, then as a name without one. The oldest record
// comes first; owners that come last are behind all others. A file name may stand for several
// names: "a.tar.gz" is a.tar with the type gz, then a with the type tar.gz. Writes up to `max`
// records, which are valid until the index changes, and returns how many.
size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max);

// A file name to look up, hashed once. A lookup waits for memory four times in a row. To look up
// many, make all queries, prefetch for all of them, then find each.
typedef struct IndexQuery {
    const char *name; // borrowed
    size_t len;
    size_t stem_len; // length up to its last dot; 0: no dot
    uint64_t hash, stem_hash;
} IndexQuery;

enum {
    INDEX_PREFETCH_MAX = 32, // A processor can hardly wait for more memory at once.
};

IndexQuery index_query(const Index *index, const char *file_name);
void index_prefetch(const Index *index, const IndexQuery queries[], size_t n);
// As index_lookup().
size_t index_find(const Index *index, const IndexQuery *query, Record results[], size_t max);

// Finds files by words (protocol.h). Writes the best ones, at most request->limit, and returns how
// many. They are valid until the index changes. It stops after a few milliseconds and sets
// summary->at_least then.
size_t index_find_words(Index *index, const FindRequest *request, FoundFile results[],
                        FindSummary *summary);

uint64_t index_names(const Index *index); // with names that index_work() has yet to remove
uint64_t index_records(const Index *index);
// Bytes of memory for records, and for the words beside them.
uint64_t index_record_bytes(const Index *index);
uint64_t index_word_bytes(const Index *index);
