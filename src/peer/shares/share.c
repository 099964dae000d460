// SPDX-License-Identifier: MIT

#include "peer/shares/share.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "proto/name.h"
enum {
    CHUNK_SHARES = 1024,
    NONE = 0, // an index holds the number of an entry + 1
    SECONDS_PER_DAY = 86400,
};

struct Share {
    uint64_t size;
    uint64_t stamp;
    MerkleHash root;    // valid if `rooted`
    uint32_t name;      // in the table's text: "name\0", "EXT\0", "ext\0"
    uint32_t directory; // in the table's directories
    int32_t day;        // of the last modification, days since the epoch
    uint16_t slot;      // in its chunk
    uint8_t error;      // errno
    ShareState state : 4;
    bool rooted : 1;
    bool typed : 1; // its extension follows the name in the text
    // The extension follows once more in lower case, because the file's name spells it differently.
    bool lowered : 1;
    bool checked : 1; // the peer may read it
};
static_assert(sizeof(struct Share) == 64, "a cache line each");

typedef struct Chunk {
    ShareTable *table;
    size_t begin; // the number of its first entry
    Share shares[CHUNK_SHARES];
} Chunk;

typedef struct Directory {
    uint32_t path; // in the table's text
    uint32_t root_len;
    char *target; // owned
} Directory;

// A hash table of entry numbers, with open addressing.
typedef struct ShareIndex {
    uint32_t *slots;
    size_t mask;
} ShareIndex;

struct ShareTable {
    Chunk **chunks;
    size_t chunk_count, count;
    Directory *directories;
    size_t directory_count;
    char *text; // names and paths, each with its NUL
    size_t text_len, text_capacity;
    ShareIndex by_key;
    ShareIndex by_root;
    bool sealed;
    size_t states[_SHARE_STATE_COUNT];
    // A secret key, because other users choose the names and perhaps the content.
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

static const char *const state_names[] = {
    [SHARE_HASHING] = "hashing",       [SHARE_OFFERED] = "published",
    [SHARE_UNREADABLE] = "unreadable", [SHARE_VANISHED] = "vanished",
    [SHARE_DUPLICATE] = "duplicate",   [SHARE_UNNAMEABLE] = "unnameable",
};

const char *share_state_name(ShareState state) {
    return state_names[state];
}

static uint64_t share_short_hash(const void *data, size_t len, const uint8_t *key) {
    uint64_t hash;

    static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash has 64 bits");
    crypto_shorthash((uint8_t *)&hash, data, len, key);
    return hash;
}

int share_table_new(ShareTable **ret) {
    _cleanup_(share_table_freep) ShareTable *table = calloc(1, sizeof(*table));

    if (!table)
        return -ENOMEM;
    if (getrandom(table->hash_key, sizeof(table->hash_key), 0) != sizeof(table->hash_key))
        return -EIO;
    *ret = TAKE_PTR(table);
    return 0;
}

ShareTable *share_table_free(ShareTable *table) {
    if (!table)
        return NULL;
    for (size_t i = 0; i < table->chunk_count; i++)
        free(table->chunks[i]);
    for (size_t i = 0; i < table->directory_count; i++)
        free(table->directories[i].target);
    free(table->chunks);
    free(table->directories);
    free(table->text);
    free(table->by_key.slots);
    free(table->by_root.slots);
    free(table);
    return NULL;
}

static Share *share_table_entry(const ShareTable *table, size_t i) {
    return &table->chunks[i / CHUNK_SHARES]->shares[i % CHUNK_SHARES];
}

static const Chunk *share_chunk(const Share *share) {
    return container_of(share - share->slot, const Chunk, shares[0]);
}

size_t share_index(const Share *share) {
    return share_chunk(share)->begin + share->slot;
}

static void share_set_state(ShareTable *table, Share *share, ShareState state) {
    table->states[share->state]--;
    share->state = state;
    table->states[state]++;
}

// Appends the text and a NUL; *ret is its offset.
static int share_table_add_text(ShareTable *table, const char *text, size_t len, uint32_t *ret) {
    size_t end = table->text_len + len + 1;

    if (end > UINT32_MAX)
        return -E2BIG;
    if (end > table->text_capacity) {
        size_t capacity = MAX(end, MAX(table->text_capacity * 2, (size_t)4096));
        char *grown = realloc(table->text, capacity);

        if (!grown)
            return -ENOMEM;
        table->text = grown;
        table->text_capacity = capacity;
    }
    memcpy(table->text + table->text_len, text, len);
    table->text[end - 1] = '\0';
    *ret = (uint32_t)table->text_len;
    table->text_len = end;
    return 0;
}

int share_table_add_directory(ShareTable *table, const char *path, size_t root_len, char *target,
                              uint32_t *ret) {
    _cleanup_free_ char *owned = target;
    Directory *directories;
    uint32_t text;
    int r;

    r = share_table_add_text(table, path, strlen(path), &text);
    if (r < 0)
        return r;
    if ((table->directory_count & (table->directory_count - 1)) == 0) {
        directories = reallocarray(table->directories, MAX(table->directory_count * 2, (size_t)1),
                                   sizeof(*directories));
        if (!directories)
            return -ENOMEM;
        table->directories = directories;
    }
    *ret = (uint32_t)table->directory_count;
    table->directories[table->directory_count++] = (Directory){
        .path = text,
        .root_len = (uint32_t)root_len,
        .target = TAKE_PTR(owned),
    };
    return 0;
}

// Sets name and type as they appear in a record.
static int share_set_name(ShareTable *table, Share *share, const char *file_name) {
    size_t len = strlen(file_name);
    NameParts parts = name_split(file_name, len);
    char lower[TYPE_BYTES_MAX + 1] = "";
    uint32_t ignored;
    int r;

    r = share_table_add_text(table, file_name, parts.name_len, &share->name);
    if (r < 0 || parts.name_len == len)
        return r;
    share->typed = true;
    for (size_t i = 0; i < parts.type_len; i++)
        lower[i] = (char)tolower((unsigned char)parts.type[i]);
    r = share_table_add_text(table, parts.type, parts.type_len, &ignored);
    if (r < 0 || memcmp(lower, parts.type, parts.type_len) == 0)
        return r;
    share->lowered = true;
    return share_table_add_text(table, lower, parts.type_len, &ignored);
}

static int share_table_new_entry(ShareTable *table, Share **ret) {
    size_t slot = table->count % CHUNK_SHARES;

    if (table->count >= UINT32_MAX - 1)
        return -E2BIG;
    if (slot == 0) {
        Chunk **chunks =
            reallocarray(table->chunks, table->chunk_count + 1, sizeof(*table->chunks));

        if (!chunks)
            return -ENOMEM;
        table->chunks = chunks;
        chunks[table->chunk_count] = malloc(sizeof(Chunk));
        if (!chunks[table->chunk_count])
            return -ENOMEM;
        chunks[table->chunk_count]->table = table;
        chunks[table->chunk_count]->begin = table->count;
        table->chunk_count++;
    }
    *ret = share_table_entry(table, table->count);
    **ret = (Share){.slot = (uint16_t)slot};
    return 0;
}

static int32_t share_day(int64_t seconds) {
    int64_t day = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);

    return (int32_t)MIN(MAX(day, (int64_t)INT32_MIN), (int64_t)INT32_MAX);
}

int share_table_add(ShareTable *table, uint32_t directory, const char *file_name,
                    const struct stat *st, int error) {
    FileIdentity identity;
    Share *share;
    int r;

    assert(!table->sealed);
    r = share_table_new_entry(table, &share);
    if (r >= 0)
        r = share_set_name(table, share, file_name);
    if (r < 0)
        return r;
    share->directory = directory;
    share->error = (uint8_t)error;
    if (st) {
        identity = file_identity(st);
        share->size = identity.size;
        share->stamp = share_stamp_of(&identity);
        share->day = share_day(st->st_mtime);
    }
    if (error == ENOENT || error == ENOTDIR)
        share->state = SHARE_VANISHED;
    else if (error > 0 || !st)
        share->state = SHARE_UNREADABLE;
    else if (!name_is_valid(file_name, strlen(file_name)))
        share->state = SHARE_UNNAMEABLE;
    else
        share->state = SHARE_HASHING;
    table->states[share->state]++;
    table->count++;
    return 0;
}

// ---------------------------------------------------------------------------------------- look-ups

static int share_index_new(size_t count, ShareIndex *ret) {
    size_t capacity = 16;

    // Fill at most two thirds of the slots.
    while (capacity < count + count / 2)
        capacity *= 2;
    ret->slots = calloc(capacity, sizeof(*ret->slots));
    ret->mask = capacity - 1;
    return ret->slots ? 0 : -ENOMEM;
}

static uint64_t share_key_hash(const ShareTable *table, const char *name, const char *type,
                               uint64_t size) {
    uint8_t key[NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX + 1 + sizeof(size)];
    size_t len = 0;

    memcpy(key, &size, sizeof(size));
    len += sizeof(size);
    memcpy(key + len, name, strlen(name) + 1);
    len += strlen(name) + 1;
    while (*type)
        key[len++] = (uint8_t)tolower((unsigned char)*type++);
    return share_short_hash(key, len, table->hash_key);
}

static const char *share_name(const Share *share) {
    return share_chunk(share)->table->text + share->name;
}

static const char *share_extension(const Share *share) { // spelled as in the file's name
    const char *name = share_name(share);

    return share->typed ? name + strlen(name) + 1 : "";
}

static const char *share_type(const Share *share) {
    const char *extension = share_extension(share);

    if (!share->typed)
        return TYPE_NONE;
    return share->lowered ? extension + strlen(extension) + 1 : extension;
}

static bool share_has_key(const Share *share, const char *name, const char *type, uint64_t size) {
    return share->size == size && strcmp(share_name(share), name) == 0 &&
           strcasecmp(share_type(share), type) == 0;
}

// The slot of the entry with that key, or the free slot for it.
static uint32_t *share_table_key_slot(const ShareTable *table, const char *name, const char *type,
                                      uint64_t size) {
    const ShareIndex *index = &table->by_key;
    size_t i = share_key_hash(table, name, type, size) & index->mask;

    while (index->slots[i] != NONE &&
           !share_has_key(share_table_entry(table, index->slots[i] - 1), name, type, size))
        i = (i + 1) & index->mask;
    return &index->slots[i];
}

static uint32_t *share_table_root_slot(const ShareTable *table, const MerkleHash *root) {
    const ShareIndex *index = &table->by_root;
    size_t i = share_short_hash(root, sizeof(*root), table->hash_key) & index->mask;

    while (index->slots[i] != NONE &&
           !merkle_hash_equal(&share_table_entry(table, index->slots[i] - 1)->root, root))
        i = (i + 1) & index->mask;
    return &index->slots[i];
}

static void share_table_index_root(ShareTable *table, const Share *share) {
    uint32_t *slot = share_table_root_slot(table, &share->root);

    if (*slot == NONE)
        *slot = (uint32_t)share_index(share) + 1;
}

// If two files have the same key, the first readable one counts. Only in that case is it worth
// checking access before a file is hashed.
static bool share_is_readable(Share *share) {
    _cleanup_free_ char *path = NULL;

    if (share->checked || share->rooted)
        return true;
    path = share_make_path(share);
    if (path && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return false;
    share->checked = true;
    return true;
}

static void share_table_index_key(ShareTable *table, Share *share) {
    uint32_t *slot = share_table_key_slot(table, share_name(share), share_type(share), share->size);
    Share *other;

    if (*slot != NONE) {
        other = share_table_entry(table, *slot - 1);
        if (share_is_readable(other)) {
            share_set_state(table, share, SHARE_DUPLICATE);
            return;
        }
        share_table_set_error(table, share_index(other), EACCES);
    }
    *slot = (uint32_t)share_index(share) + 1;
}

int share_table_seal(ShareTable *table) {
    size_t usable = table->states[SHARE_HASHING] + table->states[SHARE_OFFERED];
    int r;

    r = share_index_new(usable, &table->by_key);
    if (r >= 0)
        r = share_index_new(usable, &table->by_root);
    if (r < 0)
        return r;
    table->sealed = true;
    for (size_t i = 0; i < table->count; i++) {
        Share *share = share_table_entry(table, i);

        if (share->state != SHARE_HASHING && share->state != SHARE_OFFERED)
            continue;
        share_table_index_key(table, share);
        if (share->state == SHARE_OFFERED)
            share_table_index_root(table, share);
    }
    return 0;
}

size_t share_table_count(const ShareTable *table) {
    return table ? table->count : 0;
}

size_t share_table_count_state(const ShareTable *table, ShareState state) {
    return table ? table->states[state] : 0;
}

const Share *share_table_at(const ShareTable *table, size_t i) {
    return share_table_entry(table, i);
}

static const Share *share_table_find_exact(const ShareTable *table, const char *name,
                                           const char *type, uint64_t size) {
    uint32_t *slot;

    if (strlen(name) > NAME_BYTES_MAX || strlen(type) > TYPE_BYTES_MAX)
        return NULL;
    slot = share_table_key_slot(table, name, type, size);
    return *slot == NONE ? NULL : share_table_entry(table, *slot - 1);
}

const Share *share_table_find(const ShareTable *table, const char *name, const char *type,
                              uint64_t size) {
    char stem[NAME_BYTES_MAX + 1], extension[TYPE_BYTES_MAX + 1];
    const Share *share;
    NameParts parts;

    if (!table)
        return NULL;
    share = share_table_find_exact(table, name, type, size);
    if (share)
        return share;
    parts = name_split(name, strlen(name));
    snprintf(stem, sizeof(stem), "%.*s", (int)parts.name_len, name);
    snprintf(extension, sizeof(extension), "%.*s", (int)parts.type_len, parts.type);
    return share_table_find_exact(table, stem, extension, size);
}

const Share *share_table_find_root(const ShareTable *table, const MerkleHash *root) {
    const Share *share;
    uint32_t slot;

    slot = table ? *share_table_root_slot(table, root) : (uint32_t)NONE;
    if (slot == NONE)
        return NULL;
    share = share_table_entry(table, slot - 1);
    return share->rooted ? share : NULL;
}

void share_table_set_root(ShareTable *table, size_t i, const MerkleHash *root) {
    Share *share = share_table_entry(table, i);

    assert(share->state == SHARE_HASHING);
    share->root = *root;
    share->rooted = true;
    share_set_state(table, share, SHARE_OFFERED);
    if (table->sealed)
        share_table_index_root(table, share);
}

void share_table_set_error(ShareTable *table, size_t i, int error) {
    Share *share = share_table_entry(table, i);

    share->error = (uint8_t)error;
    share_set_state(table, share, error == ENOENT ? SHARE_VANISHED : SHARE_UNREADABLE);
}

// --------------------------------------------------------------------------------------- one share

static const Directory *share_directory(const Share *share) {
    return &share_chunk(share)->table->directories[share->directory];
}

static const char *share_directory_path(const Share *share) {
    return share_chunk(share)->table->text + share_directory(share)->path;
}

size_t share_path_len(const Share *share) {
    return strlen(share_directory_path(share)) + 1 + strlen(share_name(share)) + share->typed +
           strlen(share_extension(share));
}

char *share_make_path(const Share *share) {
    const char *directory = share_directory_path(share);
    size_t len = strlen(directory);
    char *path;

    if (asprintf(&path, "%s%s%s%s%s", directory, len > 0 && directory[len - 1] == '/' ? "" : "/",
                 share_name(share), share->typed ? "." : "", share_extension(share)) < 0)
        return NULL;
    return path;
}

ShareState share_state(const Share *share) {
    return share->state;
}

int share_error(const Share *share) {
    return share->error;
}

const char *share_error_text(const Share *share) {
    switch (share->error) {
    case EACCES:
        return "the user of p2p-peer may not read it";
    case EINVAL:
        return "neither a file nor a directory";
    case ENOLINK:
        return "there is a link on the way to it that is neither root's nor p2p-peer's";
    default:
        return strerror(share->error);
    }
}

uint64_t share_stamp(const Share *share) {
    return share->stamp;
}

Record share_record(const Share *share) {
    return (Record){
        .name = share_name(share),
        .type = share_type(share),
        .size = share->size,
        .modified = date_from_time((int64_t)share->day * SECONDS_PER_DAY),
        .root = share->root,
        .has_root = share->rooted,
    };
}

// ----------------------------------------------------------------------------------------- opening

int share_file(const Share *share, ShareFile *ret) {
    const Directory *directory = share_directory(share);
    _cleanup_free_ char *path =
        directory->target ? strdup(directory->target) : share_make_path(share);
    size_t root_len;

    if (!path)
        return -ENOMEM;
    // A configured symlink may point anywhere. Use the target that the walk saw, because its owner
    // may redirect the link later.
    root_len = directory->target ? (size_t)(strrchr(path, '/') - path) : directory->root_len;
    *ret = (ShareFile){
        .root = strndup(path, MAX(root_len, (size_t)1)),
        .relative = strdup(path + root_len + strspn(path + root_len, "/")),
        .stamp = share->stamp,
    };
    if (ret->root && ret->relative)
        return 0;
    share_file_done(ret);
    return -ENOMEM;
}

int share_open(const Share *share) {
    struct stat st;
    ShareFile file;
    int r;

    r = share_file(share, &file);
    if (r < 0)
        return r;
    r = share_file_open(&file, &st);
    share_file_done(&file);
    return r;
}
