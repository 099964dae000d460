// SPDX-License-Identifier: MIT

#include "peer/downloads/transfer-store.h"

#include <stdio.h>
#include <string.h>

#include "peer/base/database.h"
#include "peer/base/transfer.h"
#include "proto/name.h"
#include "util/log.h"

enum {
    VERSION_OF_SCHEMA = 1,
};

static const char schema[] = "CREATE TABLE IF NOT EXISTS downloads ("
                             " key INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT,"
                             " size INTEGER, address TEXT, port INTEGER, root BLOB,"
                             " paused INTEGER NOT NULL, owner INTEGER)";

struct TransferStore {
    sqlite3 *database;
    sqlite3_stmt *put, *remove, *each;
};

TransferStore *transfer_store_close(TransferStore *store) {
    if (!store)
        return NULL;
    (void)sqlite3_finalize(store->put);
    (void)sqlite3_finalize(store->remove);
    (void)sqlite3_finalize(store->each);
    database_close(store->database);
    free(store);
    return NULL;
}

// Adds the owner column to a database that an older version created.
static int transfer_store_add_owner(sqlite3 *database) {
    if (sqlite3_table_column_metadata(database, NULL, "downloads", "owner", NULL, NULL, NULL, NULL,
                                      NULL) == SQLITE_OK)
        return 0;
    return database_exec(database, "ALTER TABLE downloads ADD COLUMN owner INTEGER");
}

int transfer_store_open(const char *path, TransferStore **ret) {
    _cleanup_(transfer_store_closep) TransferStore *store = NULL;
    int r;

    store = calloc(1, sizeof(*store));
    if (!store)
        return -ENOMEM;
    r = database_open(path, VERSION_OF_SCHEMA, schema, &store->database);
    if (r >= 0)
        r = transfer_store_add_owner(store->database);
    if (r >= 0)
        r = database_prepare(store->database,
                             "INSERT OR REPLACE INTO downloads"
                             " VALUES (NULLIF(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                             &store->put);
    if (r >= 0)
        r = database_prepare(store->database, "DELETE FROM downloads WHERE key = ?1",
                             &store->remove);
    if (r >= 0)
        r = database_prepare(store->database, "SELECT * FROM downloads ORDER BY key", &store->each);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(store);
    return 0;
}

static int transfer_store_run(TransferStore *store, sqlite3_stmt *statement) {
    int r = sqlite3_step(statement);

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (r == SQLITE_DONE)
        return 0;
    log_warning("Cannot note a download for after a restart: %s", sqlite3_errmsg(store->database));
    return -EIO;
}

int transfer_store_put(TransferStore *store, StoredTransfer *transfer) {
    const DownloadFilter *filter = &transfer->filter;
    sqlite3_stmt *put = store->put;
    char address[INET6_ADDRSTRLEN];
    int r;

    // Columns that are not bound become NULL.
    (void)sqlite3_bind_int64(put, 1, transfer->key);
    (void)sqlite3_bind_text(put, 2, transfer->file_name, -1, SQLITE_STATIC);
    if (filter->has_type)
        (void)sqlite3_bind_text(put, 3, filter->type, -1, SQLITE_STATIC);
    if (filter->has_size)
        (void)sqlite3_bind_int64(put, 4, (sqlite3_int64)filter->size);
    if (filter->has_address) {
        address_format(&filter->address, address);
        (void)sqlite3_bind_text(put, 5, address, -1, SQLITE_STATIC);
    }
    if (filter->has_port)
        (void)sqlite3_bind_int(put, 6, filter->port);
    if (filter->has_root)
        (void)sqlite3_bind_blob(put, 7, &filter->root, sizeof(filter->root), SQLITE_STATIC);
    (void)sqlite3_bind_int(put, 8, transfer->paused);
    if (transfer->owner != TRANSFER_NOBODY)
        (void)sqlite3_bind_int64(put, 9, transfer->owner);
    r = transfer_store_run(store, put);
    if (r >= 0 && transfer->key == 0)
        transfer->key = sqlite3_last_insert_rowid(store->database);
    return r;
}

void transfer_store_remove(TransferStore *store, int64_t key) {
    if (key == 0)
        return;
    (void)sqlite3_bind_int64(store->remove, 1, key);
    (void)transfer_store_run(store, store->remove);
}

static bool transfer_store_has(sqlite3_stmt *row, int column, int type) {
    return sqlite3_column_type(row, column) == type;
}

// False: transfer_store_put() would not have written this row.
static bool transfer_store_read_row(sqlite3_stmt *row, StoredTransfer *ret) {
    const char *name = (const char *)sqlite3_column_text(row, 1), *text;
    DownloadFilter *filter = &ret->filter;

    *ret = (StoredTransfer){.key = sqlite3_column_int64(row, 0), .file_name = name};
    if (!name || !name_is_valid(name, strlen(name)))
        return false;
    filter->has_type = transfer_store_has(row, 2, SQLITE_TEXT);
    if (filter->has_type) {
        text = (const char *)sqlite3_column_text(row, 2);
        if (!text || !type_is_valid(text, strlen(text)))
            return false;
        snprintf(filter->type, sizeof(filter->type), "%s", text);
    }
    filter->has_size = transfer_store_has(row, 3, SQLITE_INTEGER);
    filter->size = (uint64_t)sqlite3_column_int64(row, 3);
    filter->has_address = transfer_store_has(row, 4, SQLITE_TEXT);
    if (filter->has_address) {
        text = (const char *)sqlite3_column_text(row, 4);
        if (!text || address_parse(text, strlen(text), &filter->address) < 0)
            return false;
    }
    filter->has_port = transfer_store_has(row, 5, SQLITE_INTEGER);
    filter->port = (uint16_t)sqlite3_column_int(row, 5);
    filter->has_root = transfer_store_has(row, 6, SQLITE_BLOB);
    if (filter->has_root) {
        if (sqlite3_column_bytes(row, 6) != sizeof(filter->root))
            return false;
        memcpy(&filter->root, sqlite3_column_blob(row, 6), sizeof(filter->root));
    }
    ret->paused = sqlite3_column_int(row, 7);
    ret->owner = transfer_store_has(row, 8, SQLITE_INTEGER) ? (uid_t)sqlite3_column_int64(row, 8)
                                                            : TRANSFER_NOBODY;
    return true;
}

int transfer_store_each(TransferStore *store, TransferStoreHandler handler, void *userdata) {
    StoredTransfer transfer;
    int r;

    while ((r = sqlite3_step(store->each)) == SQLITE_ROW)
        if (transfer_store_read_row(store->each, &transfer))
            handler(&transfer, userdata);
    (void)sqlite3_reset(store->each);
    return r == SQLITE_DONE ? 0 : -EIO;
}
