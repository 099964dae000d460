// SPDX-License-Identifier: MIT
#pragma once

// Memory of the index's records. A chunk holds up to eight records of one owner, with their texts
// packed behind them. Texts are packed again whenever a record comes or goes. A record without a
// root, at its owner's endpoint, takes 35 bytes and its texts.

#include <stdbool.h>
#include <stdint.h>

#include "ft/ref-table.h"
#include "ft/slab.h"
#include "proto/record.h"
#include "util/macro.h"

// Names a record while it exists. Never 0.
typedef uint32_t RecordId;

enum {
    RECORD_ID_MAX = REF_MAX, // 67 million records, 4 GB
};

typedef struct StoredRecord {
    uint64_t size;
    RecordId name_next, name_prev; // the ring of all records of its name, see index.c
    RecordId type_next, type_prev; // the ring of those that also have its type
    uint32_t year : 14;
    uint32_t month : 4;
    uint32_t day : 5;
    uint32_t has_root : 1;
    uint32_t has_endpoint : 1; // has another endpoint than its owner
    // Offset in the chunk's text of: name, NUL, type, NUL, endpoint, root.
    uint16_t text;
    uint8_t name_len, type_len;
} StoredRecord;
_Static_assert(sizeof(StoredRecord) == 32, "two of them are a cache line");

typedef struct RecordOwner {
    Endpoint endpoint; // of its first record
    uint32_t chunks;   // a ring of its chunks, those with room first; 0: none
    uint32_t count;
    bool gone; // its records are being removed, so their texts are not packed again
    bool last; // search results list its records last
} RecordOwner;

enum {
    CHUNK_RECORDS = 8,
};

typedef struct RecordChunk {
    RecordOwner *owner;
    uint32_t next, prev;
    uint16_t text_len;
    uint8_t used;           // a bit per record
    uint8_t room;           // how many records fit; most peers have five
    StoredRecord records[]; // the texts follow
} RecordChunk;

typedef struct RecordStore {
    Slab slab;            // holds the chunks; other objects may use it, too
    RecordChunk **chunks; // by number; an unused one stores the next unused number
    uint32_t count;
    uint32_t unused;
} RecordStore;

void record_store_clear(RecordStore *store);         // frees all records
size_t record_store_bytes(const RecordStore *store); // bytes of memory in use

static inline RecordChunk *record_store_chunk(const RecordStore *store, RecordId id) {
    return store->chunks[id / CHUNK_RECORDS];
}

// Prefetch in three steps for many lookups at once: the pointer to the chunk, the record, its
// texts. Call each when the data of the one before has arrived.
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
    return (char *)&chunk->records[chunk->room];
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
    // name and type may be in different cache lines
    __builtin_prefetch(record_store_type(store, id));
    __builtin_prefetch(record_store_chunk(store, id)->owner);
}

// Adds a copy of the record, which is in no ring yet. 0 or -ENOMEM.
int record_store_add(RecordStore *store, RecordOwner *owner, const Record *record, RecordId *ret);

// Sets date, endpoint and root. 0, or -ENOMEM and nothing changes.
int record_store_refresh(RecordStore *store, RecordId id, const Record *record);

void record_store_remove(RecordStore *store, RecordId id);

// Its strings point into the chunk and are valid as long as record_store_get().
Record record_store_view(const RecordStore *store, RecordId id);

// Walks the records of an owner. Begin with *id == 0. False: the end.
bool record_store_next_of_owner(const RecordStore *store, const RecordOwner *owner, RecordId *id);
