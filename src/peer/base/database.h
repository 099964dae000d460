// SPDX-License-Identifier: MIT
#pragma once

// Opening one of the SQLite databases of the state directory.

#include <sqlite3.h>

#include "util/macro.h"

// Opens or makes the file, with write-ahead logging. `version` belongs to `schema` (CREATE
// statements): a database of another version, or one that is corrupt, is set aside as FILE.bad and
// made anew. NULL as path: a database in memory. 0 or -errno, logged.
int database_open(const char *path, int version, const char *schema, sqlite3 **ret);
sqlite3 *database_close(sqlite3 *database);
DEFINE_CLEANUP_FUNC(sqlite3, database_close)

// Renames the file to FILE.bad, for one whose damage shows later. No connection may be open to it
// any more that still is to be used.
void database_set_aside(const char *path);

// Runs statements that return nothing. 0; -EIO, logged.
int database_exec(sqlite3 *database, const char *sql);

// Prepares a statement for as long as the database is open. 0; -EIO, logged.
int database_prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret);
