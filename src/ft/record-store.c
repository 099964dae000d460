// SPDX-License-Identifier: MIT

#include "ft/record-store.h"

#include <string.h>
#include <sys/mman.h>

enum {
    CHUNK_FULL = (1 << CHUNK_RECORDS) - 1,
    NUMBERS_MAX = (RECORD_ID_MAX + 1) / CHUNK_RECORDS,
    NUMBERS_BYTES = NUMBERS_MAX * sizeof(RecordChunk *),
};

// An unused number stores the next unused one. Its lowest bit tells it from a pointer.
static RecordChunk *record_store_unused_mark(uint32_t next) {
    return (RecordChunk *)((uintptr_t)next << 1 | 1);
}

void record_store_clear(RecordStore *store) {
    if (store->chunks)
        munmap(store->chunks, NUMBERS_BYTES);
    slab_clear(&store->slab);
    *store = (RecordStore){};
}

size_t record_store_bytes(const RecordStore *store) {
    return store->slab.bytes + store->count * sizeof(*store->chunks);
}

// Reserves address space for all possible pointers, so that they never move. The kernel allocates
// memory only where they are used.
static int record_store_number_take(RecordStore *store, uint32_t *ret) {
    void *map;

    if (store->unused > 0) {
        *ret = store->unused;
        store->unused = (uint32_t)((uintptr_t)store->chunks[*ret] >> 1);
        return 0;
    }
    if (!store->chunks) {
        map = mmap(NULL, NUMBERS_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED)
            return -ENOMEM;
        store->chunks = map;
        store->count = 1; // no record has the number 0
    }
    if (store->count == NUMBERS_MAX)
        return -ENOMEM;
    *ret = store->count++;
    return 0;
}

static void record_store_number_give_back(RecordStore *store, uint32_t number) {
    store->chunks[number] = record_store_unused_mark(store->unused);
    store->unused = number;
}

static void record_store_ring_insert_first(RecordStore *store, RecordOwner *owner,
                                           uint32_t number) {
    RecordChunk *chunk = store->chunks[number], *first;

    chunk->next = chunk->prev = number;
    if (owner->chunks) {
        first = store->chunks[owner->chunks];
        chunk->next = owner->chunks;
        chunk->prev = first->prev;
        store->chunks[first->prev]->next = number;
        first->prev = number;
    }
    owner->chunks = number;
}

static void record_store_ring_remove(RecordStore *store, RecordOwner *owner, uint32_t number) {
    const RecordChunk *chunk = store->chunks[number];

    store->chunks[chunk->prev]->next = chunk->next;
    store->chunks[chunk->next]->prev = chunk->prev;
    if (owner->chunks == number)
        owner->chunks = chunk->next == number ? 0 : chunk->next;
}

static int chunk_new(RecordStore *store, RecordOwner *owner) {
    RecordChunk *chunk;
    uint32_t number;

    chunk = slab_alloc(&store->slab, sizeof(*chunk));
    if (!chunk)
        return -ENOMEM;
    if (record_store_number_take(store, &number) < 0) {
        slab_free(&store->slab, chunk);
        return -ENOMEM;
    }
    *chunk = (RecordChunk){.owner = owner};
    store->chunks[number] = chunk;
    record_store_ring_insert_first(store, owner, number);
    return 0;
}

static size_t record_text_len(const StoredRecord *r) {
    return r->name_len + 1 + r->type_len + 1 + (r->has_endpoint ? sizeof(Endpoint) : 0) +
           (r->has_root ? sizeof(MerkleHash) : 0);
}

// Gives the chunk room for `room` records, at least as many as it has, and for exactly `len` bytes
// of text.
static int chunk_resize(RecordStore *store, uint32_t number, size_t room, size_t len) {
    RecordChunk *chunk = store->chunks[number];

    chunk = slab_resize(&store->slab, chunk, sizeof(*chunk) + room * sizeof(StoredRecord) + len);
    if (!chunk)
        return -ENOMEM;
    store->chunks[number] = chunk;
    if (room > chunk->room) {
        memmove(&chunk->records[room], record_chunk_text(chunk), chunk->text_len);
        chunk->room = (uint8_t)room;
    }
    return 0;
}

static void record_text_remove(RecordChunk *chunk, size_t begin, size_t len) {
    char *text = record_chunk_text(chunk);

    memmove(text + begin, text + begin + len, chunk->text_len - begin - len);
    chunk->text_len -= len;
    for (size_t i = 0; i < CHUNK_RECORDS; i++)
        if ((chunk->used & (1u << i)) && chunk->records[i].text > begin)
            chunk->records[i].text -= len;
}

static void record_text_append(RecordChunk *chunk, const void *data, size_t len) {
    memcpy(record_chunk_text(chunk) + chunk->text_len, data, len);
    chunk->text_len += len;
}

// Sets all fields except the lengths of the texts, which a refresh must not change.
static void record_store_set_fields(const RecordChunk *chunk, StoredRecord *r,
                                    const Record *record) {
    r->year = record->modified.year;
    r->month = record->modified.month;
    r->day = record->modified.day;
    r->has_root = record->has_root;
    r->has_endpoint = !endpoint_equal(&record->endpoint, &chunk->owner->endpoint);
}

static void record_store_append_extras(RecordChunk *chunk, const StoredRecord *r,
                                       const Record *record) {
    if (r->has_endpoint)
        record_text_append(chunk, &record->endpoint, sizeof(record->endpoint));
    if (r->has_root)
        record_text_append(chunk, &record->root, sizeof(record->root));
}

int record_store_add(RecordStore *store, RecordOwner *owner, const Record *record, RecordId *ret) {
    StoredRecord r = {
        .size = record->size,
        .name_len = (uint8_t)strlen(record->name),
        .type_len = (uint8_t)strlen(record->type),
    };
    RecordChunk *chunk;
    uint32_t number;
    unsigned i;

    if (owner->count == 0)
        owner->endpoint = record->endpoint;
    if ((!owner->chunks || store->chunks[owner->chunks]->used == CHUNK_FULL) &&
        chunk_new(store, owner) < 0)
        return -ENOMEM;
    number = owner->chunks;
    chunk = store->chunks[number];
    record_store_set_fields(chunk, &r, record);
    i = __builtin_ctz(~chunk->used);
    if (chunk_resize(store, number, MAX(chunk->room, i + 1),
                     chunk->text_len + record_text_len(&r)) < 0) {
        if (chunk->used == 0) {
            record_store_ring_remove(store, owner, number);
            slab_free(&store->slab, chunk);
            record_store_number_give_back(store, number);
        }
        return -ENOMEM;
    }
    chunk = store->chunks[number];
    r.text = chunk->text_len;
    record_text_append(chunk, record->name, r.name_len + 1);
    record_text_append(chunk, record->type, r.type_len + 1);
    record_store_append_extras(chunk, &r, record);
    chunk->records[i] = r;
    chunk->used |= 1u << i;
    if (chunk->used == CHUNK_FULL)
        owner->chunks = chunk->next; // now this chunk is the last of the ring
    owner->count++;
    *ret = number * CHUNK_RECORDS + i;
    return 0;
}

int record_store_refresh(RecordStore *store, RecordId id, const Record *record) {
    const uint32_t number = id / CHUNK_RECORDS;
    RecordChunk *chunk = record_store_chunk(store, id);
    StoredRecord *r = record_store_get(store, id), fresh = *r;
    const size_t names_len = r->name_len + 1 + r->type_len + 1, old_len = record_text_len(r);
    char names[NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX + 1];

    record_store_set_fields(chunk, &fresh, record);
    if (record_text_len(&fresh) > old_len &&
        chunk_resize(store, number, chunk->room,
                     chunk->text_len + record_text_len(&fresh) - old_len) < 0)
        return -ENOMEM;
    chunk = record_store_chunk(store, id);
    r = record_store_get(store, id);
    memcpy(names, record_chunk_text(chunk) + r->text, names_len);
    record_text_remove(chunk, r->text, old_len);
    fresh.text = chunk->text_len;
    *r = fresh;
    record_text_append(chunk, names, names_len);
    record_store_append_extras(chunk, r, record);
    if (record_text_len(r) < old_len)
        // if that fails, it stays large
        (void)chunk_resize(store, number, chunk->room, chunk->text_len);
    return 0;
}

void record_store_remove(RecordStore *store, RecordId id) {
    const uint32_t number = id / CHUNK_RECORDS;
    RecordChunk *chunk = record_store_chunk(store, id);
    const StoredRecord *r = record_store_get(store, id);
    RecordOwner *owner = chunk->owner;
    bool full = chunk->used == CHUNK_FULL;

    owner->count--;
    chunk->used &= ~(1u << id % CHUNK_RECORDS);
    if (chunk->used == 0) {
        record_store_ring_remove(store, owner, number);
        slab_free(&store->slab, chunk);
        record_store_number_give_back(store, number);
        return;
    }
    if (owner->gone)
        return;
    record_text_remove(chunk, r->text, record_text_len(r));
    // if that fails, it stays large
    (void)chunk_resize(store, number, chunk->room, chunk->text_len);
    if (full) {
        record_store_ring_remove(store, owner, number);
        record_store_ring_insert_first(store, owner, number);
    }
}

Record record_store_view(const RecordStore *store, RecordId id) {
    const RecordChunk *chunk = record_store_chunk(store, id);
    const StoredRecord *r = record_store_get(store, id);
    const char *name = record_store_name(store, id), *type = name + r->name_len + 1;
    const char *extras = type + r->type_len + 1;
    Record view = {
        .name = name,
        .type = type,
        .size = r->size,
        .modified = {.year = r->year, .month = r->month, .day = r->day},
        .endpoint = chunk->owner->endpoint,
        .has_root = r->has_root,
    };

    if (r->has_endpoint) {
        memcpy(&view.endpoint, extras, sizeof(view.endpoint));
        extras += sizeof(view.endpoint);
    }
    if (r->has_root)
        memcpy(&view.root, extras, sizeof(view.root));
    return view;
}

bool record_store_next_of_owner(const RecordStore *store, const RecordOwner *owner, RecordId *id) {
    uint32_t number = *id ? *id / CHUNK_RECORDS : owner->chunks;
    unsigned from = *id ? *id % CHUNK_RECORDS + 1 : 0;

    if (number == 0)
        return false;
    for (;;) {
        unsigned used = store->chunks[number]->used >> from << from;

        if (used) {
            *id = number * CHUNK_RECORDS + __builtin_ctz(used);
            return true;
        }
        number = store->chunks[number]->next;
        if (number == owner->chunks)
            return false;
        from = 0;
    }
}
