// SPDX-License-Identifier: MIT
#pragma once

// Where the records of the index are: up to eight of one owner in a chunk, with their names behind them in the same
// memory, packed anew as records come and go. A record without a root, and with the endpoint of its owner,
// takes 35 bytes and its texts.

#include <stdbool.h>
#include <stdint.h>

#include "ft/ref-table.h"
#include "ft/slab.h"
#include "proto/record.h"
#include "util/macro.h"

// Numbers a record while it exists; never 0.
typedef uint32_t RecordId;

enum {
    RECORD_ID_MAX = REF_MAX, // 67 million records, 4 GB
};

typedef struct StoredRecord {
    uint64_t size;
    RecordId name_next, name_prev; // the ring of all records of its name, see index.c
    RecordId type_next, type_prev; // the ring of those that have its type, too
    uint32_t year : 14;
    uint32_t month : 4;
    uint32_t day : 5;
    uint32_t has_root : 1;
    uint32_t has_endpoint : 1; // another one than its owner's
    uint16_t text;             // where in the chunk's text: name, NUL, type, NUL, endpoint, root
    uint8_t name_len, type_len;
} StoredRecord;
_Static_assert(sizeof(StoredRecord) == 32, "two of them are a cache line");

typedef struct RecordOwner {
    Endpoint endpoint; // of its first record
    uint32_t chunks;   // a ring of its chunks, those with room first; 0: none
    uint32_t count;
    bool gone; // all of them will be removed: what is left needs not be packed again
    bool last; // they come behind those of others
} RecordOwner;

enum {
    CHUNK_RECORDS = 8,
};

typedef struct RecordChunk {
    RecordOwner *owner;
    uint32_t next, prev;
    uint16_t text_len;
    uint8_t used;           // bit per record
    uint8_t room;           // records: most peers have five
    StoredRecord records[]; // and behind them their texts
} RecordChunk;

typedef struct RecordStore {
    Slab slab;            // the chunks; others may have pieces of it, too
    RecordChunk **chunks; // by number; in the unused ones stands the next unused one
    uint32_t count;
    uint32_t unused;
} RecordStore;

void record_store_clear(RecordStore *store);         // whatever is in it
size_t record_store_bytes(const RecordStore *store); // of memory that it takes

static inline RecordChunk *record_store_chunk(const RecordStore *store, RecordId id) {
    return store->chunks[id / CHUNK_RECORDS];
}

// Hints, for many lookups at once: have what leads to a record fetched from memory, then the record, then what it
// leads to. Each is of use when the one before it has arrived.
static inline __attribute__((always_inline)) void record_store_prefetch_chunk(
    const RecordStore *store, RecordId id) {
    __builtin_prefetch(&store->chunks[id / CHUNK_RECORDS]);
}

static inline __attribute__((always_inline)) void record_store_prefetch(const RecordStore *store,
                                                                        RecordId id) {
    const RecordChunk *chunk = record_store_chunk(store, id);

    __builtin_prefetch(&chunk->records[id % CHUNK_RECORDS]);
    __builtin_prefetch(chunk);
}

// Valid until a record of that owner is added, removed or refreshed.
static inline StoredRecord *record_store_get(const RecordStore *store, RecordId id) {
    return &record_store_chunk(store, id)->records[id % CHUNK_RECORDS];
}

static inline char *record_chunk_text(RecordChunk *chunk) {
    return (char *) &chunk->records[chunk->room];
}

static inline const char *record_store_name(const RecordStore *store, RecordId id) {
    return record_chunk_text(record_store_chunk(store, id)) + record_store_get(store, id)->text;
}

static inline const char *record_store_type(const RecordStore *store, RecordId id) {
    return record_store_name(store, id) + record_store_get(store, id)->name_len + 1;
}

static inline __attribute__((always_inline)) void record_store_prefetch_text(
    const RecordStore *store, RecordId id) {
    __builtin_prefetch(record_store_name(store, id));
    __builtin_prefetch(record_store_type(store, id)); // the two may be in different cache lines
    __builtin_prefetch(record_store_chunk(store, id)->owner);
}

// A copy of the record, in no ring yet; 0 or -ENOMEM.
int record_store_add(RecordStore *store, RecordOwner *owner, const Record *record, RecordId *ret);

// Takes over date, endpoint and root; 0 or -ENOMEM, and then nothing has changed.
int record_store_refresh(RecordStore *store, RecordId id, const Record *record);

void record_store_remove(RecordStore *store, RecordId id);

// With pointers into the chunk, valid as long as record_store_get().
Record record_store_view(const RecordStore *store, RecordId id);

// All records of an owner: begins with *id == 0; false at the end.
bool record_store_next_of_owner(const RecordStore *store, const RecordOwner *owner, RecordId *id);
