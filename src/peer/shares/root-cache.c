// SPDX-License-Identifier: MIT

#include "peer/shares/root-cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "peer/base/database.h"
#include "util/fs-util.h"
#include "util/log-id.h"
#include "util/log.h"

// The pieces are in the row of their file, so that they appear and disappear with its root. A file
// of one piece has none: its root is the piece.
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS files (device INTEGER, inode INTEGER, size INTEGER NOT NULL,"
    " modified INTEGER NOT NULL, changed INTEGER NOT NULL, root BLOB NOT NULL, pieces BLOB,"
    " PRIMARY KEY (device, inode)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS files_by_root ON files (root) WHERE pieces IS NOT NULL;";

enum {
    SCHEMA_VERSION = 1,
};

struct RootCache {
    char *path; // NULL: in memory
    pthread_mutex_t lock;
    sqlite3 *writer;        // under the lock
    atomic_uint generation; // grows when `writer` is replaced
    // Only the main thread uses it, so that it never waits for a commit. NULL: the cache is in
    // memory, and the main thread uses the writer.
    sqlite3 *reader;
    unsigned reader_generation; // generation of `reader`; 0: none opened yet
};

// Call it with the lock held, or before threads exist.
static int root_cache_use_memory(RootCache *cache) {
    cache->writer = database_close(cache->writer);
    free(cache->path);
    cache->path = NULL;
    log_event(LOG_WARNING, &(LogFields){.id = EVENT_NO_STATE},
              "The roots of shared files are kept in memory only: a restart will hash them again");
    atomic_fetch_add(&cache->generation, 1);
    return database_open(NULL, SCHEMA_VERSION, schema, &cache->writer);
}

int root_cache_open(const char *directory, RootCache **ret) {
    _cleanup_(root_cache_freep) RootCache *cache = NULL;
    int r;

    cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    pthread_mutex_init(&cache->lock, NULL);
    atomic_init(&cache->generation, 1);
    if (asprintf(&cache->path, "%s/roots.db", directory) < 0) {
        cache->path = NULL;
        return -ENOMEM;
    }
    r = make_directories(directory, 0755);
    if (r < 0)
        log_warning("%s: %s", directory, strerror(-r));
    else
        r = database_open(cache->path, SCHEMA_VERSION, schema, &cache->writer);
    if (r < 0)
        r = root_cache_use_memory(cache);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(cache);
    return 0;
}

RootCache *root_cache_free(RootCache *cache) {
    if (!cache)
        return NULL;
    database_close(cache->reader);
    database_close(cache->writer);
    pthread_mutex_destroy(&cache->lock);
    free(cache->path);
    free(cache);
    return NULL;
}

static bool root_cache_is_damaged(sqlite3 *database) {
    int code = sqlite3_errcode(database);

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

// Call it with the lock held. SQLite reports a damaged file only when it reads the damaged pages.
static int root_cache_replace_damaged(RootCache *cache) {
    int r;

    log_event(LOG_WARNING, &(LogFields){.id = EVENT_DATABASE_DAMAGED, .file = cache->path},
              "%s is damaged: it becomes %s.bad, and a new one is made", cache->path, cache->path);
    cache->writer = database_close(cache->writer);
    database_set_aside(cache->path);
    atomic_fetch_add(&cache->generation, 1);
    r = database_open(cache->path, SCHEMA_VERSION, schema, &cache->writer);
    return r < 0 ? root_cache_use_memory(cache) : 0;
}

static bool root_cache_column_hash(sqlite3_stmt *statement, int column, MerkleHash *ret) {
    if (sqlite3_column_bytes(statement, column) != sizeof(*ret))
        return false;
    memcpy(ret, sqlite3_column_blob(statement, column), sizeof(*ret));
    return true;
}

static int root_cache_each_row(sqlite3 *database, RootCacheHandler handler, void *userdata) {
    sqlite3_stmt *rows = NULL;
    int r = 0, step;

    if (sqlite3_prepare_v2(database,
                           "SELECT device, inode, size, modified, changed, root FROM files", -1,
                           &rows, NULL) != SQLITE_OK)
        return -EIO;
    while (r >= 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        FileIdentity identity = {
            .device = (uint64_t)sqlite3_column_int64(rows, 0),
            .inode = (uint64_t)sqlite3_column_int64(rows, 1),
            .size = (uint64_t)sqlite3_column_int64(rows, 2),
            .modified = sqlite3_column_int64(rows, 3),
            .changed = sqlite3_column_int64(rows, 4),
        };
        MerkleHash root;

        if (root_cache_column_hash(rows, 5, &root))
            r = handler(&identity, &root, userdata);
    }
    if (r >= 0 && step != SQLITE_DONE)
        r = -EIO;
    (void)sqlite3_finalize(rows);
    return r;
}

int root_cache_each(RootCache *cache, RootCacheHandler handler, void *userdata) {
    _cleanup_(database_closep) sqlite3 *own = NULL;
    sqlite3 *database;
    int r = 0;

    // Use a separate connection if possible, so that nobody waits during a long walk through the
    // file.
    pthread_mutex_lock(&cache->lock);
    if (cache->path)
        r = database_open(cache->path, SCHEMA_VERSION, schema, &own);
    if (own)
        pthread_mutex_unlock(&cache->lock);
    database = own ?: cache->writer;
    if (r >= 0)
        r = root_cache_each_row(database, handler, userdata);
    if (own)
        pthread_mutex_lock(&cache->lock);
    if (r == -EIO && cache->path && root_cache_is_damaged(database))
        (void)root_cache_replace_damaged(cache);
    pthread_mutex_unlock(&cache->lock);
    return r;
}

static int root_cache_put_row(sqlite3_stmt *insert, const FileHash *hash) {
    uint64_t count = piece_count(hash->identity.size);
    int step;

    (void)sqlite3_reset(insert);
    (void)sqlite3_clear_bindings(insert);
    (void)sqlite3_bind_int64(insert, 1, (sqlite3_int64)hash->identity.device);
    (void)sqlite3_bind_int64(insert, 2, (sqlite3_int64)hash->identity.inode);
    (void)sqlite3_bind_int64(insert, 3, (sqlite3_int64)hash->identity.size);
    (void)sqlite3_bind_int64(insert, 4, hash->identity.modified);
    (void)sqlite3_bind_int64(insert, 5, hash->identity.changed);
    (void)sqlite3_bind_blob(insert, 6, &hash->root, sizeof(hash->root), SQLITE_STATIC);
    if (count > 1)
        (void)sqlite3_bind_blob64(insert, 7, hash->pieces, count * sizeof(MerkleHash),
                                  SQLITE_STATIC);
    step = sqlite3_step(insert);
    return step == SQLITE_DONE ? 0 : -EIO;
}

static int root_cache_put_all(sqlite3 *database, const FileHash hashes[], size_t n) {
    sqlite3_stmt *insert = NULL;
    int r = 0;

    if (sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return -EIO;
    if (sqlite3_prepare_v2(database, "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                           -1, &insert, NULL) != SQLITE_OK)
        r = -EIO;
    for (size_t i = 0; i < n && r >= 0; i++)
        r = root_cache_put_row(insert, &hashes[i]);
    (void)sqlite3_finalize(insert);
    if (r >= 0 && sqlite3_exec(database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    log_warning("%s: %s", sqlite3_db_filename(database, NULL) ?: "roots.db",
                sqlite3_errmsg(database));
    return -EIO;
}

int root_cache_put(RootCache *cache, const FileHash hashes[], size_t n) {
    int r;

    if (n == 0)
        return 0;
    pthread_mutex_lock(&cache->lock);
    r = root_cache_put_all(cache->writer, hashes, n);
    if (r < 0 && cache->path) {
        // Other peers ask for the pieces of shared files, so they must be stored somewhere.
        r = root_cache_is_damaged(cache->writer) ? root_cache_replace_damaged(cache)
                                                 : root_cache_use_memory(cache);
        if (r >= 0)
            r = root_cache_put_all(cache->writer, hashes, n);
    } else if (r < 0)
        (void)sqlite3_exec(cache->writer, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&cache->lock);
    return r;
}

int root_cache_forget(RootCache *cache, const FileIdentity identities[], size_t n) {
    sqlite3_stmt *row = NULL;
    int r;

    pthread_mutex_lock(&cache->lock);
    r = database_exec(cache->writer, "BEGIN IMMEDIATE");
    if (r >= 0)
        r = database_prepare(cache->writer, "DELETE FROM files WHERE device = ? AND inode = ?",
                             &row);
    for (size_t i = 0; i < n && r >= 0; i++) {
        (void)sqlite3_reset(row);
        (void)sqlite3_bind_int64(row, 1, (sqlite3_int64)identities[i].device);
        (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)identities[i].inode);
        r = sqlite3_step(row) == SQLITE_DONE ? 0 : -EIO;
    }
    (void)sqlite3_finalize(row);
    if (r >= 0)
        r = database_exec(cache->writer, "COMMIT");
    if (r < 0)
        (void)sqlite3_exec(cache->writer, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&cache->lock);
    return r;
}

// The caller frees *ret. 0, -ENOENT or -ENOMEM.
static int root_cache_read_pieces(sqlite3 *database, const MerkleHash *root, uint64_t size,
                                  MerkleHash **ret) {
    size_t bytes = piece_count(size) * sizeof(MerkleHash);
    sqlite3_stmt *row = NULL;
    int r = -ENOENT;

    if (sqlite3_prepare_v2(database,
                           "SELECT pieces FROM files WHERE root = ? AND size = ?"
                           " AND pieces IS NOT NULL LIMIT 1",
                           -1, &row, NULL) != SQLITE_OK)
        return -ENOENT;
    (void)sqlite3_bind_blob(row, 1, root, sizeof(*root), SQLITE_STATIC);
    (void)sqlite3_bind_int64(row, 2, (sqlite3_int64)size);
    if (sqlite3_step(row) == SQLITE_ROW && (size_t)sqlite3_column_bytes(row, 0) == bytes) {
        *ret = malloc(bytes);
        if (*ret)
            memcpy(*ret, sqlite3_column_blob(row, 0), bytes);
        r = *ret ? 0 : -ENOMEM;
    }
    (void)sqlite3_finalize(row);
    return r;
}

// SQLite detects a damaged page only if the page's structure is broken.
static int root_cache_check_pieces(const MerkleHash *root, uint64_t size,
                                   const MerkleHash pieces[]) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    MerkleHash found;
    int r;

    r = merkle_new(&merkle);
    if (r >= 0)
        r = merkle_root_of_pieces(merkle, pieces, size, &found);
    if (r < 0)
        return r;
    return merkle_hash_equal(&found, root) ? 0 : -ENOENT;
}

// Waits for the lock only if the database was replaced.
static void root_cache_refresh_reader(RootCache *cache) {
    unsigned generation = atomic_load(&cache->generation);

    if (generation == cache->reader_generation)
        return;
    cache->reader = database_close(cache->reader);
    cache->reader_generation = generation;
    pthread_mutex_lock(&cache->lock);
    if (cache->path)
        (void)database_open(cache->path, SCHEMA_VERSION, schema, &cache->reader);
    pthread_mutex_unlock(&cache->lock);
}

int root_cache_pieces(RootCache *cache, const MerkleHash *root, uint64_t size, MerkleHash **ret) {
    _cleanup_free_ MerkleHash *pieces = NULL;
    int r;

    if (piece_count(size) == 1) {
        *ret = malloc(sizeof(*root));
        if (*ret)
            **ret = *root;
        return *ret ? 0 : -ENOMEM;
    }
    root_cache_refresh_reader(cache);
    if (cache->reader)
        r = root_cache_read_pieces(cache->reader, root, size, &pieces);
    else {
        pthread_mutex_lock(&cache->lock);
        r = root_cache_read_pieces(cache->writer, root, size, &pieces);
        pthread_mutex_unlock(&cache->lock);
    }
    if (r >= 0)
        r = root_cache_check_pieces(root, size, pieces);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(pieces);
    return 0;
}
