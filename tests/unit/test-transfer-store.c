// SPDX-License-Identifier: MIT

#include "test.h"

#include <stdio.h>
#include <string.h>

#include "peer/base/database.h"
#include "peer/base/transfer.h"
#include "peer/downloads/transfer-store.h"

static char path[64];

static int make_path(void **state _unused_) {
    char directory[] = "/tmp/p2pshare-store-XXXXXX";

    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/transfers.db", directory);
    return 0;
}

static int remove_path(void **state _unused_) {
    static const char *const suffixes[] = {"", "-wal", "-shm", ".bad", ".bad-wal", ".bad-shm"};
    char file[80];

    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
        (void)unlink(file);
    }
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

typedef struct Seen {
    size_t n;
    char names[8][64];
    StoredTransfer transfers[8];
} Seen;

static void on_transfer(const StoredTransfer *transfer, void *userdata) {
    Seen *seen = userdata;

    assert_in_range(seen->n, 0, 7);
    snprintf(seen->names[seen->n], sizeof(seen->names[0]), "%s", transfer->file_name);
    seen->transfers[seen->n++] = *transfer;
}

static Seen read_all(TransferStore *store) {
    Seen seen = {};

    assert_int_equal(transfer_store_each(store, on_transfer, &seen), 0);
    return seen;
}

static void check_empty(const DownloadFilter *filter) {
    assert_false(filter->has_type || filter->has_size || filter->has_address || filter->has_port ||
                 filter->has_root);
}

static void test_round_trip(void **state _unused_) {
    StoredTransfer plain = {.file_name = "a b.txt", .owner = TRANSFER_NOBODY};
    StoredTransfer full = {
        .file_name = "ü.iso",
        .paused = true,
        .owner = 1000,
        .filter = {.has_type = true,
                   .type = "iso",
                   .has_size = true,
                   .size = INT64_MAX,
                   .has_port = true,
                   .port = 65535,
                   .has_root = true},
    };
    TransferStore *store;
    Seen seen;

    assert_int_equal(address_parse("2001:db8::7", 11, &full.filter.address), 0);
    full.filter.has_address = true;
    memset(&full.filter.root, 0xab, sizeof(full.filter.root));
    assert_int_equal(transfer_store_open(path, &store), 0);
    assert_int_equal(transfer_store_put(store, &plain), 0);
    assert_int_equal(transfer_store_put(store, &full), 0);
    assert_int_not_equal(plain.key, full.key);
    // Not closed properly: what was put is there all the same.
    transfer_store_close(store);

    assert_int_equal(transfer_store_open(path, &store), 0);
    seen = read_all(store);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.names[0], "a b.txt");
    check_empty(&seen.transfers[0].filter);
    assert_false(seen.transfers[0].paused);
    assert_true(seen.transfers[0].owner == TRANSFER_NOBODY);
    assert_int_equal(seen.transfers[1].owner, 1000);
    assert_string_equal(seen.names[1], "ü.iso");
    assert_true(seen.transfers[1].paused);
    assert_string_equal(seen.transfers[1].filter.type, "iso");
    assert_true(seen.transfers[1].filter.size == INT64_MAX);
    assert_int_equal(seen.transfers[1].filter.port, 65535);
    assert_true(address_equal(&seen.transfers[1].filter.address, &full.filter.address));
    assert_true(merkle_hash_equal(&seen.transfers[1].filter.root, &full.filter.root));

    full.paused = false;
    full.filter = (DownloadFilter){};
    assert_int_equal(transfer_store_put(store, &full), 0);
    transfer_store_remove(store, plain.key);
    transfer_store_remove(store, 0);
    seen = read_all(store);
    assert_int_equal(seen.n, 1);
    assert_false(seen.transfers[0].paused);
    check_empty(&seen.transfers[0].filter);
    transfer_store_close(store);
}

// What was written before there were owners is nobody's.
static void test_without_owners(void **state _unused_) {
    StoredTransfer more = {.file_name = "new.txt", .owner = 0};
    TransferStore *store;
    sqlite3 *database;
    Seen seen;

    assert_int_equal(
        database_open(path, 1,
                      "CREATE TABLE downloads (key INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                      " type TEXT, size INTEGER, address TEXT, port INTEGER, root BLOB,"
                      " paused INTEGER NOT NULL);"
                      "INSERT INTO downloads (name, paused) VALUES ('old.txt', 1)",
                      &database),
        0);
    database_close(database);
    assert_int_equal(transfer_store_open(path, &store), 0);
    assert_int_equal(transfer_store_put(store, &more), 0);
    transfer_store_close(store);
    assert_int_equal(transfer_store_open(path, &store), 0);
    seen = read_all(store);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.names[0], "old.txt");
    assert_true(seen.transfers[0].paused);
    assert_true(seen.transfers[0].owner == TRANSFER_NOBODY);
    assert_int_equal(seen.transfers[1].owner, 0);
    transfer_store_close(store);
}

static void test_damaged(void **state _unused_) {
    static const char nonsense[4096] = "this is no database";
    StoredTransfer transfer = {.file_name = "f"};
    TransferStore *store;
    FILE *file;

    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(nonsense, sizeof(nonsense), 1, file), 1);
    fclose(file);
    assert_int_equal(transfer_store_open(path, &store), 0);
    assert_int_equal(read_all(store).n, 0);
    assert_int_equal(transfer_store_put(store, &transfer), 0);
    assert_int_equal(read_all(store).n, 1);
    transfer_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_without_owners, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_damaged, make_path, remove_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
