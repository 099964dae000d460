// SPDX-License-Identifier: MIT
#pragma once

// What p2pctl share keeps: one small file per share beside the configuration, CONFIG.d/share-NAME.ini, which p2p-peer reads as
// any other. The administrator's own files are read, to say where a share comes from, and never written to.

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

typedef struct Entry {
    char *path;        // what is shared, absolute; NULL in none of a list
    char *file;        // where it says so; where it would, with by_default
    bool by_default;   // nothing does: a desktop user's public directory
    bool ours;         // that file is one of ours, and has nothing else
    StringList passes; // directories above it that --fix has let p2p-peer pass
    bool tree;         // --fix has let it read all of it
    bool shown;        // --fix has had the service show it (sandbox-unit.h)
} Entry;

typedef struct EntryList {
    Entry *entries;
    size_t n;
} EntryList;

// All shares of the configuration at that path and of the files beside it; `user`: of a user's own daemon, with what that
// shares by default, if it is there. What is wrong in them is logged and left out. 0 or -errno.
int entry_list_load(const char *config_path, bool user, EntryList *ret);
void entry_list_clear(EntryList *list);
// The first of that path, ours before others; or NULL.
Entry *entry_list_find(const EntryList *list, const char *path);

// Makes a new one with a file name of its own. Nothing is written yet. NULL: no memory, or -EINVAL by
// entry_path_problem().
int entry_new(const EntryList *list, const char *config_path, const char *path, Entry *ret);
void entry_clear(Entry *entry);

// Why a configuration file cannot hold the path, or a directory above it: "its name …". NULL: it can.
const char *entry_path_problem(const char *path);

// "srv-images" of ".../share-srv-images.ini": what names all that belongs to it. Caller frees; NULL: no memory.
char *entry_name(const Entry *entry);

// Writes its file, whole or not at all, and makes the directory. 0 or -errno.
int entry_write(const Entry *entry);
// 0 or -errno.
int entry_remove(const Entry *entry);
