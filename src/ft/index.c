// SPDX-License-Identifier: MIT

#include "ft/index.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "proto/name.h"
#include "util/hash.h"

// The records of one name, in the order in which they came; never empty.
typedef struct IndexName {
    UT_hash_handle hh;
    bool hashed;
    TAILQ_HEAD(, IndexRecord) records;
    char name[];
} IndexName;

struct IndexRecord {
    TAILQ_ENTRY(IndexRecord) by_name;
    TAILQ_ENTRY(IndexRecord) by_full_name;
    LIST_ENTRY(IndexRecord) by_owner;
    const IndexOwner *owner;
    IndexName *name;      // "report"
    IndexName *full_name; // "report.txt", the type in lower case
    uint64_t size;
    Endpoint endpoint;
    Date modified;
    bool has_root;
    char type[]; // and behind its NUL the root, where there is one
};

// A record is found by its name and by its name with the type; each is one step, however many records of
// other types have the same name.
struct Index {
    IndexName *names;      // uthash
    IndexName *full_names; // uthash
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

static IndexName *name_find(const Index *index, IndexName *table, const char *name) {
    size_t len = strlen(name);
    IndexName *found;

    HASH_FIND_BYHASHVALUE(hh, table, name, len, hash_name(index, name, len), found);
    return found;
}

static IndexName *name_get(const Index *index, IndexName **table, const char *name) {
    size_t len = strlen(name);
    IndexName *entry;

    entry = name_find(index, *table, name);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry) + len + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, len + 1);
    TAILQ_INIT(&entry->records);
    entry->hashed = true;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, *table, entry->name, len, hash_name(index, name, len), entry);
    if (!entry->hashed) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void name_drop_if_empty(IndexName **table, IndexName *entry) {
    if (!entry || !TAILQ_EMPTY(&entry->records))
        return;
    HASH_DEL(*table, entry);
    free(entry);
}

// "name.type" with the type in lower case. TYPE_NONE is a type like any other here.
static void full_name(const char *name, const char *type,
                      char text[static FILE_NAME_BYTES_MAX + 1]) {
    int len = snprintf(text, FILE_NAME_BYTES_MAX + 1, "%s.", name);

    for (; *type; type++)
        text[len++] = (char) tolower((unsigned char) *type);
    text[len] = '\0';
}

static void *root_of(const IndexRecord *r) {
    return (char *) r->type + strlen(r->type) + 1;
}

static Record record_view(const IndexRecord *r) {
    Record view = {
        .name = r->name->name,
        .type = r->type,
        .size = r->size,
        .modified = r->modified,
        .endpoint = r->endpoint,
        .has_root = r->has_root,
    };

    if (r->has_root)
        memcpy(&view.root, root_of(r), sizeof(view.root));
    return view;
}

// record_same_file(), with the full names compared already: "a.b" of type "c" is not "a" of type "b.c".
static bool is_file(const IndexRecord *r, const IndexName *full_name, const Record *record) {
    return r->full_name == full_name && r->size == record->size &&
           strcmp(r->name->name, record->name) == 0;
}

// A file may be shared by everybody, and a peer may share ten thousand: looks through both lists at
// once, and is done when the shorter one is.
static IndexRecord *owner_find(const Index *index, const IndexOwner *owner, const Record *record) {
    char full[FILE_NAME_BYTES_MAX + 1];
    const IndexName *name;
    IndexRecord *theirs, *own;

    full_name(record->name, record->type, full);
    name = name_find(index, index->full_names, full);
    if (!name)
        return NULL;
    theirs = TAILQ_FIRST(&name->records);
    own = LIST_FIRST(&owner->records);
    while (theirs && own) {
        if (theirs->owner == owner && is_file(theirs, name, record))
            return theirs;
        if (is_file(own, name, record))
            return own;
        theirs = TAILQ_NEXT(theirs, by_full_name);
        own = LIST_NEXT(own, by_owner);
    }
    return NULL;
}

bool index_has(const Index *index, const IndexOwner *owner, const Record *record) {
    return owner_find(index, owner, record);
}

static void record_drop(Index *index, IndexOwner *owner, IndexRecord *r) {
    TAILQ_REMOVE(&r->name->records, r, by_name);
    TAILQ_REMOVE(&r->full_name->records, r, by_full_name);
    LIST_REMOVE(r, by_owner);
    name_drop_if_empty(&index->names, r->name);
    name_drop_if_empty(&index->full_names, r->full_name);
    free(r);
    owner->count--;
    index->record_count--;
}

static void record_refresh(IndexRecord *r, const Record *record) {
    r->modified = record->modified;
    r->endpoint = record->endpoint;
    r->has_root = record->has_root;
    if (r->has_root)
        memcpy(root_of(r), &record->root, sizeof(record->root));
}

static int record_new(Index *index, IndexOwner *owner, const Record *record) {
    size_t type_len = strlen(record->type);
    char full[FILE_NAME_BYTES_MAX + 1];
    IndexRecord *r;

    r = calloc(1, sizeof(*r) + type_len + 1 + (record->has_root ? sizeof(record->root) : 0));
    if (!r)
        return -ENOMEM;
    full_name(record->name, record->type, full);
    r->name = name_get(index, &index->names, record->name);
    r->full_name = name_get(index, &index->full_names, full);
    if (!r->name || !r->full_name) {
        name_drop_if_empty(&index->names, r->name);
        name_drop_if_empty(&index->full_names, r->full_name);
        free(r);
        return -ENOMEM;
    }
    r->owner = owner;
    r->size = record->size;
    memcpy(r->type, record->type, type_len + 1);
    record_refresh(r, record);
    TAILQ_INSERT_TAIL(&r->name->records, r, by_name);
    TAILQ_INSERT_TAIL(&r->full_name->records, r, by_full_name);
    LIST_INSERT_HEAD(&owner->records, r, by_owner);
    owner->count++;
    index->record_count++;
    return 0;
}

int index_add(Index *index, IndexOwner *owner, const Record *record) {
    IndexRecord *old = owner_find(index, owner, record);
    int r;

    if (old && (old->has_root || !record->has_root)) {
        record_refresh(old, record);
        return 0;
    }
    r = record_new(index, owner, record);
    if (r >= 0 && old) // it has no room for a root
        record_drop(index, owner, old);
    return r;
}

int index_remove(Index *index, IndexOwner *owner, const Record *record) {
    IndexRecord *r = owner_find(index, owner, record);

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

size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max) {
    NameParts parts = name_split(file_name, strlen(file_name));
    char stem[NAME_BYTES_MAX + 1], full[FILE_NAME_BYTES_MAX + 1];
    const IndexName *by_name, *by_full_name;
    const IndexRecord *r;
    size_t n = 0;

    snprintf(stem, sizeof(stem), "%.*s", (int) parts.name_len, file_name);
    full_name(stem, parts.type, full);
    by_full_name = file_name[parts.name_len] ? name_find(index, index->full_names, full) : NULL;
    by_name = name_find(index, index->names, file_name);
    if (by_full_name)
        TAILQ_FOREACH (r, &by_full_name->records, by_full_name) {
            if (n == max)
                return n;
            results[n++] = record_view(r);
        }
    if (by_name)
        TAILQ_FOREACH (r, &by_name->records, by_name) {
            if (n == max)
                return n;
            results[n++] = record_view(r);
        }
    return n;
}

uint64_t index_names(const Index *index) {
    return HASH_COUNT(index->names);
}

uint64_t index_records(const Index *index) {
    return index->record_count;
}
