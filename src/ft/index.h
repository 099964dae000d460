// SPDX-License-Identifier: MIT
#pragma once

// The index of FT: who shares which file. In memory, by name, many records per name. The hash is keyed
// with a random key, because strangers choose the names. No call takes long, however much there is.

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

// From now on the words of names can be searched for, too; that takes memory. There are no records yet. 0 or -ENOMEM.
int index_add_words(Index *index);
bool index_has_words(const Index *index);

IndexOwner *index_owner_new(Index *index);         // NULL: out of memory
size_t index_owner_count(const IndexOwner *owner); // its records; 0 for NULL
// Where its first record said that it is.
const Endpoint *index_owner_endpoint(const IndexOwner *owner);
// Of one without records; each of these brings its own.
void index_owner_set_endpoint(IndexOwner *owner, const Endpoint *endpoint);
// Whether its records come behind those of others in what is found.
void index_owner_set_last(IndexOwner *owner, bool last);

// All its records, in no order: begins with *cursor == 0; false at the end. *ret is valid until the index changes.
bool index_owner_next(const Index *index, const IndexOwner *owner, uint32_t *cursor, Record *ret);

// The owner leaves: none of its records is found any more. If it has many of them, their memory is given back
// bit by bit, by index_work() and along with additions. NULL is nobody.
void index_owner_leave(Index *index, IndexOwner *owner);

// Gives some of it back; false: nothing is left to do.
bool index_work(Index *index);

// Adds a copy of the record, or refreshes date, endpoint and root of the one that this owner has of the
// same file (record_same_file()). 0 or -ENOMEM.
int index_add(Index *index, IndexOwner *owner, const Record *record);

// Whether this owner has a record of that file.
bool index_has(const Index *index, const IndexOwner *owner, const Record *record);

// Removes that file's record; 0, or -ENOENT.
int index_remove(Index *index, IndexOwner *owner, const Record *record);

// Finds `file_name` as a name with its extension, then as a name without one, the oldest record first, those of owners
// that are last behind all others. (It may
// be several names with an extension: "a.tar.gz" is a.tar of the type gz, then a of the type tar.gz.) Writes
// up to `max` records, which stay valid until the index changes, and returns their number.
size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max);

// What is looked up, hashed once. A lookup waits for memory four times, one after the other: whoever has many of them
// makes their queries, has what all of them will touch fetched at once, and then finds each.
typedef struct IndexQuery {
    const char *name; // borrowed
    size_t len;
    size_t stem_len; // up to its last dot; 0: it has none
    uint64_t hash, stem_hash;
} IndexQuery;

enum {
    INDEX_PREFETCH_MAX = 32, // queries; what the processor can wait for at once is not much more
};

IndexQuery index_query(const Index *index, const char *file_name);
void index_prefetch(const Index *index, const IndexQuery queries[], size_t n);
size_t index_find(const Index *index, const IndexQuery *query, Record results[],
                  size_t max); // as index_lookup()

// Finds files by words (protocol.h): writes the first of them, at most request->limit, and returns how many. They stay
// valid until the index changes. It takes a few milliseconds at most, for it stops then (summary->at_least).
size_t index_find_words(Index *index, const FindRequest *request, FoundFile results[],
                        FindSummary *summary);

uint64_t index_names(const Index *index); // with those that only index_work() will forget
uint64_t index_records(const Index *index);
// Memory that it takes: for records, and for what searches by words need beside them.
uint64_t index_record_bytes(const Index *index);
uint64_t index_word_bytes(const Index *index);
