// SPDX-License-Identifier: MIT

#include "peer/shares/watch-set.h"

#include <limits.h>
#include <string.h>

#include "util/never-shared.h"

enum {
    EVENTS = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |
             IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK,
};

// One watched name in a directory that is not watched as a whole.
typedef struct WatchedName {
    int wd;
    char *name; // owned
} WatchedName;

struct WatchSet {
    int fd;
    int error;
    int *directories; // watch descriptors, sorted once the set is filled
    size_t directory_count;
    WatchedName *names;
    size_t name_count;
};

int watch_set_new(int fd, WatchSet **ret) {
    WatchSet *set = calloc(1, sizeof(*set));

    if (!set)
        return -ENOMEM;
    set->fd = fd;
    set->error = fd < 0 ? -fd : 0;
    *ret = set;
    return 0;
}

WatchSet *watch_set_free(WatchSet *set) {
    if (!set)
        return NULL;
    for (size_t i = 0; i < set->name_count; i++)
        free(set->names[i].name);
    free(set->names);
    free(set->directories);
    free(set);
    return NULL;
}

// Returns a watch descriptor; -1: the watch failed, or an earlier error stopped further attempts. A
// directory that has just disappeared needs no watch.
static int watch_set_watch(WatchSet *set, const char *directory) {
    int wd;

    if (set->error != 0)
        return -1;
    wd = inotify_add_watch(set->fd, directory, EVENTS);
    if (wd < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
        set->error = errno;
    return wd;
}

void watch_set_add(WatchSet *set, const char *directory) {
    int wd = watch_set_watch(set, directory);

    if (wd < 0)
        return;
    if ((set->directory_count & (set->directory_count - 1)) == 0) {
        int *grown = reallocarray(set->directories, MAX(set->directory_count * 2, (size_t)1),
                                  sizeof(*grown));

        if (!grown) {
            set->error = ENOMEM;
            return;
        }
        set->directories = grown;
    }
    set->directories[set->directory_count++] = wd;
}

static void watch_set_append_name(WatchSet *set, int wd, const char *name, size_t len) {
    WatchedName *grown = reallocarray(set->names, set->name_count + 1, sizeof(*grown));

    if (grown) {
        set->names = grown;
        grown[set->name_count] = (WatchedName){.wd = wd, .name = strndup(name, len)};
        if (grown[set->name_count].name) {
            set->name_count++;
            return;
        }
    }
    set->error = ENOMEM;
}

void watch_set_add_name(WatchSet *set, const char *path) {
    _cleanup_free_ char *directory = strdup(path);
    char *slash;

    if (!directory) {
        set->error = ENOMEM;
        return;
    }
    while ((slash = strrchr(directory, '/'))) {
        const char *name = path + (slash - directory) + 1;
        int wd;

        *slash = '\0';
        if (*name == '\0')
            continue; // "/" itself never changes
        wd = watch_set_watch(set, slash == directory ? "/" : directory);
        if (wd >= 0)
            watch_set_append_name(set, wd, name, strcspn(name, "/"));
        if (wd >= 0 || set->error != 0)
            return;
    }
}

int watch_set_error(const WatchSet *set) {
    return set->error;
}

static int watch_set_compare_ints(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static bool watch_set_has_directory(const WatchSet *set, int wd) {
    return set->directory_count > 0 && bsearch(&wd, set->directories, set->directory_count,
                                               sizeof(wd), watch_set_compare_ints) != NULL;
}

static bool watch_set_has_name_in(const WatchSet *set, int wd) {
    for (size_t i = 0; i < set->name_count; i++)
        if (set->names[i].wd == wd)
            return true;
    return false;
}

static void watch_set_unwatch_unless(int fd, int wd, const WatchSet *wanted) {
    if (!watch_set_has_directory(wanted, wd) && !watch_set_has_name_in(wanted, wd))
        (void)inotify_rm_watch(fd, wd);
}

void watch_set_replace(WatchSet *set, const WatchSet *old) {
    if (set->directory_count > 0)
        qsort(set->directories, set->directory_count, sizeof(*set->directories),
              watch_set_compare_ints);
    if (!old)
        return;
    for (size_t i = 0; i < old->directory_count; i++)
        watch_set_unwatch_unless(set->fd, old->directories[i], set);
    for (size_t i = 0; i < old->name_count; i++)
        watch_set_unwatch_unless(set->fd, old->names[i].wd, set);
}

bool watch_set_concerns(const WatchSet *set, const struct inotify_event *event) {
    const char *name = event->len > 0 ? event->name : "";
    bool known = false;

    if (event->mask & IN_IGNORED)
        return false; // a watch was removed; an earlier event said why
    for (size_t i = 0; i < set->name_count; i++)
        if (set->names[i].wd == event->wd) {
            if (*name == '\0' || strcmp(set->names[i].name, name) == 0)
                return true;
            known = true;
        }
    if (known && !watch_set_has_directory(set, event->wd))
        return false;
    return !name_is_never_shared(name);
}
