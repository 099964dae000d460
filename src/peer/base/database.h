// SPDX-License-Identifier: MIT
#pragma once

// Opens the SQLite databases of the state directory.

#include <sqlite3.h>

#include "util/macro.h"

// Opens or creates the file, with write-ahead logging; the caller closes *ret. `version` is the
// version of `schema` (CREATE statements). A database of another version or a corrupt one is
// renamed to FILE.bad, and a new one is created. If `path` is NULL, the database is in memory. 0 or
// -errno, logged.
int database_open(const char *path, int version, const char *schema, sqlite3 **ret);
sqlite3 *database_close(sqlite3 *database);
DEFINE_CLEANUP_FUNC(sqlite3, database_close)

// Renames the file to FILE.bad, if its damage shows only after opening. Do not use a connection
// that is still open to it afterwards.
void database_set_aside(const char *path);

// Runs statements that return nothing. 0; -EIO, logged.
int database_exec(sqlite3 *database, const char *sql);

// Prepares a statement for repeated use while the database is open. The caller finalizes it. 0;
// -EIO, logged.
int database_prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret);
