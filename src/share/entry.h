// SPDX-License-Identifier: MIT
#pragma once

// The files in which p2pctl share keeps what it does: CONFIG.d/share-NAME.ini, one small file per
// share, which p2p-peer reads like any other. Files of the administrator are only read, to tell
// where a share comes from.

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

typedef struct Entry {
    char *path;        // the shared path, absolute; never NULL in a list
    char *file;        // the file that says so; with by_default, the one that could
    bool by_default;   // no file says so: the public directory of a desktop user
    bool ours;         // p2pctl share wrote the file, and it contains nothing else
    StringList passes; // directories above it that --fix lets p2p-peer pass
    bool tree;         // --fix lets p2p-peer read everything in it
    bool shown;        // --fix made the service show it (sandbox-unit.h)
} Entry;

typedef struct EntryList {
    Entry *entries;
    size_t n;
} EntryList;

// Loads all shares of the configuration at that path and of the files beside it. `user`: also the
// share that a user's own daemon has by default, if it exists. Logs and leaves out what is wrong. 0
// or -errno.
int entry_list_load(const char *config_path, bool user, EntryList *ret);
void entry_list_clear(EntryList *list);
// The first entry of that path, those of p2pctl share first; or NULL.
Entry *entry_list_find(const EntryList *list, const char *path);

// Creates an entry with a new file name, but does not write it yet. 0; -EINVAL: see
// entry_path_problem(); or -ENOMEM.
int entry_new(const EntryList *list, const char *config_path, const char *path, Entry *ret);
void entry_clear(Entry *entry);

// Why a configuration file cannot hold the path or a directory above it, as a clause: "it is …".
// NULL: it can.
const char *entry_path_problem(const char *path);

// "srv-images" of ".../share-srv-images.ini", from which other names of the entry are made. Caller
// frees; NULL: no memory.
char *entry_name(const Entry *entry);

// Writes the file of the entry in one step, and creates its directory. 0 or -errno.
int entry_write(const Entry *entry);
// Removes the file of the entry. 0 or -errno.
int entry_remove(const Entry *entry);
