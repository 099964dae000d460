// SPDX-License-Identifier: MIT

#include "ft/index.h"

#include <assert.h>
#include <ctype.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "ft/index-internal.h"
#include "proto/name.h"

enum {
    // Records of departed owners that one index_work() removes: some hundred microseconds.
    WORK_RECORDS = 128,
    // Records of departed owners that each addition removes, so that removal ends however busy FT
    // is.
    WORK_RECORDS_OF_ADD = 2,
};

// What a lookup compares with the entries of the tables.
typedef struct FileKey {
    const Index *index;
    const char *name;
    size_t name_len;
    const char *type;
    size_t type_len;
} FileKey;

static FileKey index_key_of(const Index *index, RecordId id) {
    const StoredRecord *r = record_store_get(&index->store, id);

    return (FileKey){
        .index = index,
        .name = record_store_name(&index->store, id),
        .name_len = r->name_len,
        .type = record_store_type(&index->store, id),
        .type_len = r->type_len,
    };
}

uint64_t index_hash(const Index *index, const char *text, size_t len) {
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t value;

    crypto_shorthash(hash, (const uint8_t *)text, len, index->key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static FileKey index_key_of_record(const Index *index, const Record *record) {
    return (FileKey){
        .index = index,
        .name = record->name,
        .name_len = strlen(record->name),
        .type = record->type,
        .type_len = strlen(record->type),
    };
}

static uint64_t index_name_hash(const FileKey *key) {
    return index_hash(key->index, key->name, key->name_len);
}

// The hash of the name with the type in lower case.
static uint64_t index_type_hash(const FileKey *key) {
    char text[FILE_NAME_BYTES_MAX];

    memcpy(text, key->name, key->name_len);
    text[key->name_len] = '/'; // is in no name
    for (size_t i = 0; i < key->type_len; i++)
        text[key->name_len + 1 + i] = (char)tolower((unsigned char)key->type[i]);
    return index_hash(key->index, text, key->name_len + 1 + key->type_len);
}

static uint64_t index_name_hash_of(const void *userdata, uint32_t id) {
    const FileKey key = index_key_of(userdata, id);

    return index_name_hash(&key);
}

static uint64_t index_type_hash_of(const void *userdata, uint32_t id) {
    const FileKey key = index_key_of(userdata, id);

    return index_type_hash(&key);
}

// Replaces memcmp(), which is a call. On processors that emulate its masked loads, one takes longer
// than a name.
static inline bool index_same_bytes(const char *a, const char *b, size_t n) {
    uint64_t x, y;

    for (; n >= 8; n -= 8, a += 8, b += 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
    }
    for (; n > 0; n--)
        if (*a++ != *b++)
            return false;
    return true;
}

static bool index_name_match(const void *userdata, uint32_t id) {
    const FileKey *key = userdata;
    const RecordStore *store = &key->index->store;

    return record_store_get(store, id)->name_len == key->name_len &&
           index_same_bytes(record_store_name(store, id), key->name, key->name_len);
}

static bool index_type_match(const void *userdata, uint32_t id) {
    const FileKey *key = userdata;
    const RecordStore *store = &key->index->store;
    const char *type = record_store_type(store, id);

    // Most are written the same way, so try that first.
    return record_store_get(store, id)->type_len == key->type_len &&
           (index_same_bytes(type, key->type, key->type_len) ||
            strncasecmp(type, key->type, key->type_len) == 0);
}

static bool index_file_match(const void *userdata, uint32_t id) {
    return index_name_match(userdata, id) && index_type_match(userdata, id);
}

int index_new(Index **ret) {
    Index *index;

    if (sodium_init() < 0)
        return -ENOMEM;
    index = calloc(1, sizeof(*index));
    if (!index)
        return -ENOMEM;
    crypto_shorthash_keygen(index->key);
    ref_table_init(&index->names, index_name_hash_of, index);
    ref_table_init(&index->types, index_type_hash_of, index);
    LIST_INIT(&index->leaving);
    *ret = index;
    return 0;
}

int index_add_words(Index *index) {
    assert(index->record_count == 0);
    index->words = calloc(1, sizeof(*index->words));
    if (!index->words)
        return -ENOMEM;
    crypto_shorthash_keygen(index->words->key);
    return 0;
}

Index *index_free(Index *index) {
    if (!index)
        return NULL;
    ref_table_clear(&index->names);
    ref_table_clear(&index->types);
    record_store_clear(&index->store);
    if (index->words)
        posting_tree_clear(&index->words->tree);
    free(index->words);
    free(index);
    return NULL;
}

static const IndexOwner *index_owner_of(const Index *index, RecordId id) {
    return container_of(record_store_chunk(&index->store, id)->owner, IndexOwner, records);
}

static bool index_is_alone(const Index *index, RecordId id) {
    return record_store_get(&index->store, id)->name_next == id;
}

// Returns the oldest record of the name with this hash. 0: none.
static RecordId index_find_hashed(const FileKey *key, uint64_t hash) {
    return ref_table_find(&key->index->names, hash, index_name_match, key);
}

static RecordId index_find_name(const FileKey *key) {
    return index_find_hashed(key, index_name_hash(key));
}

// Returns the oldest record of that name and type; `first` is the oldest of the name. 0: none.
static RecordId index_find_type(const FileKey *key, RecordId first) {
    if (index_is_alone(key->index, first))
        return index_type_match(key, first) ? first : 0;
    return ref_table_find(&key->index->types, index_type_hash(key), index_file_match, key);
}

// Everybody may share a file, and a peer may share ten thousand. So walk the ring of the file and
// the records of the owner at the same time, and stop at the end of the shorter one.
static RecordId index_find_own(const Index *index, const IndexOwner *owner, const Record *record) {
    const FileKey key = index_key_of_record(index, record);
    RecordId first = index_find_name(&key), theirs, own = 0;

    first = first ? index_find_type(&key, first) : 0;
    theirs = first;
    while (theirs && record_store_next_of_owner(&index->store, &owner->records, &own)) {
        const StoredRecord *r = record_store_get(&index->store, theirs);

        if (r->size == record->size && index_owner_of(index, theirs) == owner)
            return theirs;
        if (record_store_get(&index->store, own)->size == record->size &&
            index_file_match(&key, own))
            return own;
        theirs = index_is_alone(index, theirs) || r->type_next == first ? 0 : r->type_next;
    }
    return 0;
}

bool index_has(const Index *index, const IndexOwner *owner, const Record *record) {
    return index_find_own(index, owner, record);
}

// Appends it to the ring of its type. The caller has made room in the table.
static void index_link_type(Index *index, RecordId id) {
    const FileKey key = index_key_of(index, id);
    const uint64_t hash = index_type_hash(&key);
    const RecordId head = ref_table_find(&index->types, hash, index_file_match, &key);
    StoredRecord *r = record_store_get(&index->store, id), *first;

    r->type_next = r->type_prev = id;
    if (!head) {
        ref_table_add(&index->types, hash, id);
        return;
    }
    first = record_store_get(&index->store, head);
    r->type_next = head;
    r->type_prev = first->type_prev;
    record_store_get(&index->store, first->type_prev)->type_next = id;
    first->type_prev = id;
}

static void index_unlink_type(Index *index, RecordId id) {
    const FileKey key = index_key_of(index, id);
    const uint64_t hash = index_type_hash(&key);
    const StoredRecord *r = record_store_get(&index->store, id);

    if (r->type_next == id) {
        ref_table_remove(&index->types, hash, id);
        return;
    }
    ref_table_replace(&index->types, hash, id, r->type_next); // if it is the first
    record_store_get(&index->store, r->type_prev)->type_next = r->type_next;
    record_store_get(&index->store, r->type_next)->type_prev = r->type_prev;
}

// Appends it to the ring of its name. The caller has made room in the tables.
static void index_link_record(Index *index, RecordId id) {
    const FileKey key = index_key_of(index, id);
    const uint64_t hash = index_name_hash(&key);
    const RecordId head = ref_table_find(&index->names, hash, index_name_match, &key);
    StoredRecord *r = record_store_get(&index->store, id), *first;

    r->name_next = r->name_prev = id;
    if (!head) {
        ref_table_add(&index->names, hash, id);
        return;
    }
    if (index_is_alone(index, head))
        index_link_type(index, head);
    first = record_store_get(&index->store, head);
    r->name_next = head;
    r->name_prev = first->name_prev;
    record_store_get(&index->store, first->name_prev)->name_next = id;
    first->name_prev = id;
    index_link_type(index, id);
}

static void index_unlink_record(Index *index, RecordId id) {
    const FileKey key = index_key_of(index, id);
    const uint64_t hash = index_name_hash(&key);
    const StoredRecord *r = record_store_get(&index->store, id);

    if (index_is_alone(index, id)) {
        ref_table_remove(&index->names, hash, id);
        return;
    }
    index_unlink_type(index, id);
    ref_table_replace(&index->names, hash, id, r->name_next); // if it is the first
    record_store_get(&index->store, r->name_prev)->name_next = r->name_next;
    record_store_get(&index->store, r->name_next)->name_prev = r->name_prev;
    if (index_is_alone(index, r->name_next))
        index_unlink_type(index, r->name_next);
}

// A name has words while it has records, and the words of a type while it has records of that type.
// Other records may have added them before.
static int index_add_words_of(Index *index, const Record *record) {
    const FileKey key = index_key_of_record(index, record);
    uint64_t hash;
    RecordId first;
    int r = 0;

    if (!index->words)
        return 0;
    hash = index_name_hash(&key);
    first = index_find_hashed(&key, hash);
    if (first && index_find_type(&key, first))
        return 0;
    if (!first)
        r = word_index_add(index->words, key.name, key.name_len, name_code(hash));
    if (r < 0 || strcasecmp(key.type, TYPE_NONE) == 0)
        return r;
    r = word_index_add(index->words, key.type, key.type_len, name_code(hash));
    if (r < 0 && !first)
        word_index_remove(index->words, key.name, key.name_len, name_code(hash));
    return r;
}

// Call it before the record is unlinked.
static void index_remove_words_of(Index *index, RecordId id) {
    const FileKey key = index_key_of(index, id);
    const bool last = index_is_alone(index, id);
    uint64_t hash;

    if (!index->words || (!last && record_store_get(&index->store, id)->type_next != id))
        return;
    hash = index_name_hash(&key);
    if (last)
        word_index_remove(index->words, key.name, key.name_len, name_code(hash));
    if (strcasecmp(key.type, TYPE_NONE) != 0)
        word_index_remove(index->words, key.type, key.type_len, name_code(hash));
}

static void index_drop(Index *index, RecordId id) {
    index_remove_words_of(index, id);
    index_unlink_record(index, id);
    record_store_remove(&index->store, id);
}

// Removes up to `max` records of departed owners.
static void index_drop_some(Index *index, size_t max) {
    IndexOwner *owner = LIST_FIRST(&index->leaving);

    while (owner && max > 0) {
        RecordId id = 0;

        if (record_store_next_of_owner(&index->store, &owner->records, &id)) {
            index_drop(index, id);
            max--;
            continue;
        }
        LIST_REMOVE(owner, leaving);
        slab_free(&index->store.slab, owner);
        owner = LIST_FIRST(&index->leaving);
    }
}

bool index_work(Index *index) {
    index_drop_some(index, WORK_RECORDS);
    return !LIST_EMPTY(&index->leaving);
}

IndexOwner *index_owner_new(Index *index) {
    IndexOwner *owner = slab_alloc(&index->store.slab, sizeof(*owner));

    if (owner)
        *owner = (IndexOwner){};
    return owner;
}

size_t index_owner_count(const IndexOwner *owner) {
    return owner ? owner->records.count : 0;
}

const Endpoint *index_owner_endpoint(const IndexOwner *owner) {
    return &owner->records.endpoint;
}

void index_owner_set_endpoint(IndexOwner *owner, const Endpoint *endpoint) {
    owner->records.endpoint = *endpoint;
}

void index_owner_set_last(IndexOwner *owner, bool last) {
    owner->records.last = last;
}

bool index_owner_next(const Index *index, const IndexOwner *owner, uint32_t *cursor, Record *ret) {
    if (!record_store_next_of_owner(&index->store, &owner->records, cursor))
        return false;
    *ret = record_store_view(&index->store, *cursor);
    return true;
}

void index_owner_leave(Index *index, IndexOwner *owner) {
    if (!owner)
        return;
    index->record_count -= owner->records.count;
    owner->records.gone = true;
    LIST_INSERT_HEAD(&index->leaving, owner, leaving);
    // A few records are removed at once, so index_work() has nothing to do.
    if (owner->records.count < WORK_RECORDS)
        index_drop_some(index, owner->records.count + 1);
}

int index_add(Index *index, IndexOwner *owner, const Record *record) {
    RecordId id = index_find_own(index, owner, record);
    int r;

    if (id)
        return record_store_refresh(&index->store, id, record);
    index_drop_some(index, WORK_RECORDS_OF_ADD);
    // The second record of a name adds the first one to the table of types as well.
    r = ref_table_reserve(&index->names, 1);
    if (r >= 0)
        r = ref_table_reserve(&index->types, 2);
    if (r >= 0)
        r = record_store_add(&index->store, &owner->records, record, &id);
    if (r < 0)
        return r;
    r = index_add_words_of(index, record);
    if (r < 0) {
        record_store_remove(&index->store, id);
        return r;
    }
    index_link_record(index, id);
    index->record_count++;
    return 0;
}

int index_remove(Index *index, IndexOwner *owner, const Record *record) {
    RecordId id = index_find_own(index, owner, record);

    if (!id)
        return -ENOENT;
    index_drop(index, id);
    index->record_count--;
    return 0;
}

typedef struct Results {
    Record *records;
    size_t n, max;
    bool last; // collect from owners that come last, or from the others
    bool more; // there are records of the other kind
} Results;

// Appends the records of a ring that begins with `first`.
static void index_add_results(const Index *index, RecordId first, bool typed, Results *results) {
    RecordId id = first;

    for (size_t seen = 0; seen < RING_SEEN_MAX && results->n < results->max; seen++) {
        const StoredRecord *r = record_store_get(&index->store, id);
        const RecordOwner *owner = record_store_chunk(&index->store, id)->owner;

        if (owner->last != results->last)
            results->more = true;
        else if (!owner->gone)
            results->records[results->n++] = record_store_view(&index->store, id);
        id = typed && r->name_next != id ? r->type_next : r->name_next;
        if (id == first)
            break;
    }
}

// Splits names as name_split() and other programs do: a name may end at any dot that has a type
// behind it, or have no extension. Most have at most one dot, and then both readings are hashed
// already.
static void index_find_all(const Index *index, const IndexQuery *query, Results *results) {
    FileKey key = {.index = index, .name = query->name, .name_len = query->len};
    const char *end = query->name + query->len, *dot = end;
    RecordId first;

    while ((dot = memrchr(query->name, '.', dot - query->name)) &&
           end - dot - 1 <= TYPE_BYTES_MAX) {
        key.name_len = dot - query->name;
        key.type = dot + 1;
        key.type_len = end - dot - 1;
        if (dot == query->name || dot + 1 == end || dot[1] == '.')
            continue; // no file has such a name or type
        first = index_find_hashed(&key, key.name_len == query->stem_len ? query->stem_hash
                                                                        : index_name_hash(&key));
        first = first ? index_find_type(&key, first) : 0;
        if (first)
            index_add_results(index, first, true, results);
    }
    key.name_len = query->len;
    first = index_find_hashed(&key, query->hash);
    if (first)
        index_add_results(index, first, false, results);
}

size_t index_find(const Index *index, const IndexQuery *query, Record results[], size_t max) {
    Results found = {.records = results, .max = max};

    index_find_all(index, query, &found);
    if (found.more && found.n < max) {
        found.last = true;
        index_find_all(index, query, &found);
    }
    return found.n;
}

IndexQuery index_query(const Index *index, const char *file_name) {
    const size_t len = strlen(file_name);
    const char *dot = memrchr(file_name, '.', len);
    IndexQuery query = {.name = file_name, .len = len, .hash = index_hash(index, file_name, len)};

    if (dot) {
        query.stem_len = dot - file_name;
        query.stem_hash = index_hash(index, file_name, query.stem_len);
    }
    return query;
}

size_t index_lookup(const Index *index, const char *file_name, Record results[], size_t max) {
    const IndexQuery query = index_query(index, file_name);

    return index_find(index, &query, results, max);
}

// Each loop uses what the previous one has fetched.
void index_prefetch(const Index *index, const IndexQuery queries[], size_t n) {
    const RecordStore *store = &index->store;
    RecordId ids[2 * INDEX_PREFETCH_MAX];
    size_t count = 0;

    assert(n <= INDEX_PREFETCH_MAX);
    for (size_t i = 0; i < n; i++) {
        ref_table_prefetch(&index->names, queries[i].hash);
        if (queries[i].stem_len > 0)
            ref_table_prefetch(&index->names, queries[i].stem_hash);
    }
    for (size_t i = 0; i < n; i++) {
        RecordId id = ref_table_guess(&index->names, queries[i].hash);

        if (id)
            record_store_prefetch_chunk(store, ids[count++] = id);
        if (queries[i].stem_len > 0 && (id = ref_table_guess(&index->names, queries[i].stem_hash)))
            record_store_prefetch_chunk(store, ids[count++] = id);
    }
    for (size_t i = 0; i < count; i++)
        record_store_prefetch(store, ids[i]);
    for (size_t i = 0; i < count; i++)
        record_store_prefetch_text(store, ids[i]);
}

uint64_t index_names(const Index *index) {
    return index->names.count;
}

uint64_t index_records(const Index *index) {
    return index->record_count;
}

uint64_t index_record_bytes(const Index *index) {
    return sizeof(*index) + record_store_bytes(&index->store) + ref_table_bytes(&index->names) +
           ref_table_bytes(&index->types);
}

uint64_t index_word_bytes(const Index *index) {
    return index->words ? sizeof(*index->words) + posting_tree_bytes(&index->words->tree) : 0;
}
