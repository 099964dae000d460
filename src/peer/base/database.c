// SPDX-License-Identifier: MIT

#include "peer/base/database.h"

#include <stdio.h>

#include "util/log-id.h"
#include "util/log.h"

sqlite3 *database_close(sqlite3 *database) {
    if (database)
        (void)sqlite3_close(database);
    return NULL;
}

int database_exec(sqlite3 *database, const char *sql) {
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    log_warning("%s: %s", sqlite3_db_filename(database, NULL) ?: "database",
                sqlite3_errmsg(database));
    return -EIO;
}

int database_prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret) {
    if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK)
        return 0;
    log_warning("%s: %s", sqlite3_db_filename(database, NULL) ?: "database",
                sqlite3_errmsg(database));
    return -EIO;
}

static int database_user_version(sqlite3 *database) {
    sqlite3_stmt *statement = NULL;
    int version = -EIO;

    if (sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return version;
}

// 0; -EBADMSG: the file is no database of this version of ours; -EACCES, -EIO: it cannot be opened.
static int database_try_open(const char *path, int version, const char *schema, sqlite3 **ret) {
    _cleanup_(database_closep) sqlite3 *database = NULL;
    char pragma[64];
    int found;

    if (sqlite3_open_v2(path ?: ":memory:", &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return -EACCES;
    (void)sqlite3_busy_timeout(database, 1000);
    found = database_user_version(database);
    if (found < 0)
        return sqlite3_errcode(database) == SQLITE_NOTADB ||
                       sqlite3_errcode(database) == SQLITE_CORRUPT
                   ? -EBADMSG
                   : -EIO;
    if (found != 0 && found != version)
        return -EBADMSG;
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
    // Keep temporary tables in memory: the sandbox forbids writing where SQLite puts its temporary
    // files (daemon/sandbox.h). Write the version only if it is new: each write would wait for
    // other writers.
    if (database_exec(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                                "PRAGMA temp_store = MEMORY") < 0 ||
        database_exec(database, schema) < 0 ||
        (found != version && database_exec(database, pragma) < 0))
        return -EIO;
    *ret = TAKE_PTR(database);
    return 0;
}

void database_set_aside(const char *path) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        _cleanup_free_ char *from = NULL, *to = NULL;

        if (asprintf(&from, "%s%s", path, suffixes[i]) < 0)
            return;
        if (asprintf(&to, "%s.bad%s", path, suffixes[i]) < 0)
            return;
        (void)rename(from, to);
    }
}

int database_open(const char *path, int version, const char *schema, sqlite3 **ret) {
    int r;

    r = database_try_open(path, version, schema, ret);
    if (r == -EBADMSG && path) {
        log_event(LOG_WARNING, &(LogFields){.id = EVENT_DATABASE_DAMAGED, .file = path},
                  "%s is damaged or of another version: it becomes %s.bad, and a new one is made",
                  path, path);
        database_set_aside(path);
        r = database_try_open(path, version, schema, ret);
    }
    if (r < 0)
        log_warning("Cannot use the database %s", path ?: "in memory");
    return r;
}
