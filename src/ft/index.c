// SPDX-License-Identifier: MIT

#include "ft/index.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "proto/name.h"

// Out of memory is an error to handle here, not a reason to exit.
#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->added = false)
#include <uthash.h>

typedef struct IndexName {
    UT_hash_handle hh;
    TAILQ_HEAD(, IndexRecord) records; // never empty, in the order in which they came
    bool added;
    char name[];
} IndexName;

struct IndexRecord {
    TAILQ_ENTRY(IndexRecord) by_name;
    LIST_ENTRY(IndexRecord) by_owner;
    IndexName *name;
    uint64_t size;
    Endpoint endpoint;
    Date modified;
    char type[];
};

struct Index {
    IndexName *names; // uthash
    uint64_t record_count;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

int index_new(Index **ret) {
    Index *index;

    if (sodium_init() < 0)
        return -ENOMEM;
    index = calloc(1, sizeof(*index));
    if (!index)
        return -ENOMEM;
    crypto_shorthash_keygen(index->key);
    *ret = index;
    return 0;
}

Index *index_free(Index *index) {
    free(index);
    return NULL;
}

static unsigned hash_name(const Index *index, const char *name, size_t len) {
    uint8_t hash[crypto_shorthash_BYTES];
    unsigned value;

    crypto_shorthash(hash, (const uint8_t *) name, len, index->key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static IndexName *name_find(const Index *index, const char *name, size_t len) {
    IndexName *found;

    HASH_FIND_BYHASHVALUE(hh, index->names, name, len, hash_name(index, name, len), found);
    return found;
}

static IndexName *name_add(Index *index, const char *name) {
    size_t len = strlen(name);
    IndexName *entry;

    entry = calloc(1, sizeof(*entry) + len + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, len + 1);
    TAILQ_INIT(&entry->records);
    entry->added = true;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->names, entry->name, len, hash_name(index, name, len),
                                entry);
    if (!entry->added) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void name_drop_if_empty(Index *index, IndexName *entry) {
    if (!TAILQ_EMPTY(&entry->records))
        return;
    HASH_DEL(index->names, entry);
    free(entry);
}

static Record record_view(const IndexRecord *r) {
    return (Record){
        .name = r->name->name,
        .type = r->type,
        .size = r->size,
        .modified = r->modified,
        .endpoint = r->endpoint,
    };
}

static IndexRecord *owner_find(const IndexOwner *owner, const Record *record) {
    IndexRecord *r;

    LIST_FOREACH (r, &owner->records, by_owner) {
        const Record view = record_view(r);

        if (record_same_file(&view, record))
            return r;
    }
    return NULL;
}

bool index_has(const IndexOwner *owner, const Record *record) {
    return owner_find(owner, record);
}

int index_add(Index *index, IndexOwner *owner, const Record *record) {
    size_t type_len = strlen(record->type);
    IndexRecord *r;

    r = owner_find(owner, record);
    if (r) {
        r->modified = record->modified;
        r->endpoint = record->endpoint;
        return 0;
    }
    r = calloc(1, sizeof(*r) + type_len + 1);
    if (!r)
        return -ENOMEM;
    r->name = name_find(index, record->name, strlen(record->name)) ?: name_add(index, record->name);
    if (!r->name) {
        free(r);
        return -ENOMEM;
    }
    r->size = record->size;
    r->endpoint = record->endpoint;
    r->modified = record->modified;
    memcpy(r->type, record->type, type_len + 1);
    TAILQ_INSERT_TAIL(&r->name->records, r, by_name);
    LIST_INSERT_HEAD(&owner->records, r, by_owner);
    owner->count++;
    index->record_count++;
    return 0;
}

static void record_drop(Index *index, IndexOwner *owner, IndexRecord *r) {
    TAILQ_REMOVE(&r->name->records, r, by_name);
    LIST_REMOVE(r, by_owner);
    name_drop_if_empty(index, r->name);
    free(r);
    owner->count--;
    index->record_count--;
}

int index_remove(Index *index, IndexOwner *owner, const Record *record) {
    IndexRecord *r = owner_find(owner, record);

    if (!r)
        return -ENOENT;
    record_drop(index, owner, r);
    return 0;
}

void index_remove_all(Index *index, IndexOwner *owner) {
    IndexRecord *r, *next;

    LIST_FOREACH_SAFE(r, &owner->records, by_owner, next)
    record_drop(index, owner, r);
}

// Appends the records of that name, of that type only if there is one.
static size_t collect(const Index *index, const char *name, size_t len, const char *type,
                      Record results[], size_t n, size_t max) {
    const IndexName *entry = name_find(index, name, len);
    const IndexRecord *r;

    if (!entry)
        return n;
    TAILQ_FOREACH (r, &entry->records, by_name) {
        if (n >= max)
            break;
        if (!type || strcasecmp(r->type, type) == 0)
            results[n++] = record_view(r);
    }
    return n;
}

size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max) {
    size_t len = strlen(file_name), n = 0;
    NameParts parts = name_split(file_name, len);

    if (parts.name_len < len)
        n = collect(index, file_name, parts.name_len, parts.type, results, n, max);
    return collect(index, file_name, len, NULL, results, n, max);
}

uint64_t index_names(const Index *index) {
    return HASH_COUNT(index->names);
}

uint64_t index_records(const Index *index) {
    return index->record_count;
}
