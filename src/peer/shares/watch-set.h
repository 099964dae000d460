// SPDX-License-Identifier: MIT
#pragma once

// The directories that one walk has put under watch (inotify). Filled by the walk in its thread,
// each directory before it is read, so that no change falls between; then share-watch.h takes it
// over.

#include <stdbool.h>
#include <stddef.h>
#include <sys/inotify.h>

#include "util/macro.h"

typedef struct WatchSet WatchSet;

// `fd`: of inotify_init1(), borrowed; negative: -errno, nothing can be watched.
int watch_set_new(int fd, WatchSet **ret); // 0 or -ENOMEM
// Leaves the watches as they are.
WatchSet *watch_set_free(WatchSet *set);
DEFINE_CLEANUP_FUNC(WatchSet, watch_set_free)

// All that happens in a directory.
void watch_set_add(WatchSet *set, const char *directory);
// What happens to one name in its directory; where that is missing, to what is missing above it.
void watch_set_add_name(WatchSet *set, const char *path);

// errno of what could not be watched (the first, and no more was tried); 0: all is watched.
int watch_set_error(const WatchSet *set);

// Once filled: removes the watches of `old` that are not in `set`.
void watch_set_replace(WatchSet *set, const WatchSet *old);
// Whether an event is about something that the walk would see.
bool watch_set_concerns(const WatchSet *set, const struct inotify_event *event);
