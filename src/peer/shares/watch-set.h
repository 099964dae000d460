// SPDX-License-Identifier: MIT
#pragma once

// The directories that one walk watches with inotify. The walk fills the set in its thread. It adds
// each directory before reading it, so that no change is lost in between. Then share-watch.h takes
// the set over.

#include <stdbool.h>
#include <stddef.h>
#include <sys/inotify.h>

#include "util/macro.h"

typedef struct WatchSet WatchSet;

// `fd`: from inotify_init1(), borrowed; if negative, it is an -errno and nothing can be watched.
int watch_set_new(int fd, WatchSet **ret); // 0 or -ENOMEM
// Does not remove the watches.
WatchSet *watch_set_free(WatchSet *set);
DEFINE_CLEANUP_FUNC(WatchSet, watch_set_free)

// Watches for every event in a directory.
void watch_set_add(WatchSet *set, const char *directory);
// Watches one name in its directory. If the directory is missing, watches for the missing name in
// the nearest parent that exists.
void watch_set_add_name(WatchSet *set, const char *path);

// The errno of the first watch that failed, after which no more were tried; 0: all are in place.
int watch_set_error(const WatchSet *set);

// Call it when `set` is filled: removes the watches of `old` that `set` does not have.
void watch_set_replace(WatchSet *set, const WatchSet *old);
// Whether the event concerns something that the walk would see.
bool watch_set_concerns(const WatchSet *set, const struct inotify_event *event);
