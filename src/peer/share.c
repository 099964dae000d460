// SPDX-License-Identifier: MIT

#include "peer/share.h"

#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/name.h"
#include "util/fs-util.h"
#include "util/hash.h"

struct Share {
    UT_hash_handle hh;
    bool hashed;     // in by_key
    char *key;       // "name/type/size", owned; NULL where the name is not valid
    char *path;      // absolute, owned
    size_t root_len; // path[0 .. root_len) is the directory that must not be left
    char *
        target; // of a file that was configured itself: its real path, owned; NULL: below a directory
    ShareState state;
    int error;
    uint64_t size;
    Date modified;
    char *name; // owned
    char type[TYPE_BYTES_MAX + 1];
};

struct ShareTable {
    Share **items;
    size_t count;
    size_t offered;
    Share *by_key; // uthash
};

static const char *const state_names[] = {
    [SHARE_OFFERED] = "published",     [SHARE_LIMIT] = "limit",
    [SHARE_UNREADABLE] = "unreadable", [SHARE_VANISHED] = "vanished",
    [SHARE_DUPLICATE] = "duplicate",   [SHARE_UNNAMEABLE] = "unnameable",
};

const char *share_state_name(ShareState state) {
    return state_names[state];
}

static Share *share_free(Share *share) {
    if (!share)
        return NULL;
    free(share->key);
    free(share->path);
    free(share->target);
    free(share->name);
    free(share);
    return NULL;
}
DEFINE_CLEANUP_FUNC(Share, share_free)

ShareTable *share_table_free(ShareTable *table) {
    if (!table)
        return NULL;
    HASH_CLEAR(hh, table->by_key);
    for (size_t i = 0; i < table->count; i++)
        share_free(table->items[i]);
    free(table->items);
    free(table);
    return NULL;
}

static char *make_key(const char *name, const char *type, uint64_t size) {
    char *key, *p;

    if (asprintf(&key, "%s/%s/%" PRIu64, name, type, size) < 0)
        return NULL;
    for (p = strchr(key, '/'); *p; p++)
        *p = (char) tolower((unsigned char) *p);
    return key;
}

static int table_append(ShareTable *table, Share *share) {
    if ((table->count & (table->count - 1)) == 0) {
        Share **items =
            reallocarray(table->items, MAX(table->count * 2, (size_t) 1), sizeof(*items));

        if (!items)
            return -ENOMEM;
        table->items = items;
    }
    table->items[table->count++] = share;
    return 0;
}

// Name and type as they stand in a record.
static int set_name(Share *share) {
    const char *file_name = strrchr(share->path, '/') + 1;
    size_t len = strlen(file_name);
    NameParts parts = name_split(file_name, len);

    share->name = strndup(file_name, parts.name_len);
    if (!share->name)
        return -ENOMEM;
    for (size_t i = 0; i < parts.type_len; i++)
        share->type[i] = (char) tolower((unsigned char) parts.type[i]);
    if (!name_is_valid(file_name, len))
        share->state = SHARE_UNNAMEABLE;
    return 0;
}

static int add_key(ShareTable *table, Share *share) {
    Share *other;

    share->key = make_key(share->name, share->type, share->size);
    if (!share->key)
        return -ENOMEM;
    HASH_FIND_STR(table->by_key, share->key, other);
    if (other) {
        share->state = SHARE_DUPLICATE;
        return 0;
    }
    share->hashed = true;
    HASH_ADD_KEYPTR(hh, table->by_key, share->key, strlen(share->key), share);
    return share->hashed ? 0 : -ENOMEM;
}

// One file, or what stands where one was configured (`error` says why it is none).
static int add_entry(ShareTable *table, const char *path, size_t root_len, const struct stat *st,
                     int error, size_t limit) {
    _cleanup_(share_freep) Share *share = NULL;
    int r;

    share = calloc(1, sizeof(*share));
    if (!share)
        return -ENOMEM;
    share->path = strdup(path);
    if (!share->path)
        return -ENOMEM;
    share->root_len = root_len;
    share->size = st ? (uint64_t) st->st_size : 0;
    share->modified = date_from_time(st ? st->st_mtime : 0);
    share->error = error;
    r = set_name(share);
    if (r < 0)
        return r;
    if (error == ENOENT || error == ENOTDIR)
        share->state = SHARE_VANISHED;
    else if (error > 0)
        share->state = SHARE_UNREADABLE;
    else if (share->state == SHARE_OFFERED) {
        r = add_key(table, share);
        if (r < 0)
            return r;
    }
    if (share->state == SHARE_OFFERED && table->offered >= limit)
        share->state = SHARE_LIMIT;
    else if (share->state == SHARE_OFFERED)
        table->offered++;
    r = table_append(table, share);
    if (r < 0) {
        if (share->hashed)
            HASH_DEL(table->by_key, share);
        return r;
    }
    TAKE_PTR(share);
    return 0;
}

// Below a directory that is shared, what is hidden is not, and nothing that is still being downloaded.
static bool excluded(const StringList *excludes, const char *name, const char *relative) {
    if (name[0] == '.' || fnmatch("*.part", name, 0) == 0)
        return true;
    for (size_t i = 0; i < excludes->count; i++)
        if (fnmatch(excludes->items[i], name, 0) == 0 ||
            fnmatch(excludes->items[i], relative, 0) == 0)
            return true;
    return false;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int readable_error(const char *path) {
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int scan_directory(ShareTable *table, const char *root, const StringList *excludes,
                          size_t limit) {
    char *const paths[] = {(char *) root, NULL};
    size_t root_len = strlen(root);
    FTSENT *entry;
    FTS *fts;
    int r = 0;

    // Symlinks are not followed: what they lead to is not what the administrator has named.
    fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
    if (!fts)
        return -errno;
    while (r >= 0 && (entry = fts_read(fts))) {
        const char *relative = entry->fts_path + root_len;

        while (*relative == '/')
            relative++;
        if (entry->fts_level > 0 && excluded(excludes, entry->fts_name, relative)) {
            fts_set(fts, entry, FTS_SKIP);
            continue;
        }
        switch (entry->fts_info) {
        case FTS_F:
            r = add_entry(table, entry->fts_path, root_len, entry->fts_statp,
                          readable_error(entry->fts_path), limit);
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            r = add_entry(table, entry->fts_path, root_len, NULL, entry->fts_errno, limit);
            break;
        default:
            break; // directories on the way; symlinks, sockets, devices: not files
        }
    }
    fts_close(fts);
    return r;
}

// A link that was configured itself may lead anywhere: to where it leads now, not to where somebody may
// point it later.
static int pin_target(Share *share) {
    share->target = realpath(share->path, NULL);
    return share->target ? 0 : -errno;
}

static int scan_path(ShareTable *table, const char *path, const StringList *excludes,
                     size_t limit) {
    struct stat st;
    int r;

    if (stat(path, &st) < 0)
        return add_entry(table, path, 0, NULL, errno, limit);
    if (S_ISDIR(st.st_mode))
        return scan_directory(table, path, excludes, limit);
    if (!S_ISREG(st.st_mode))
        return add_entry(table, path, 0, NULL, EINVAL, limit);
    r = add_entry(table, path, 0, &st, readable_error(path), limit);
    return r < 0 ? r : pin_target(table->items[table->count - 1]);
}

int share_table_scan(const StringList *paths, const StringList *excludes, size_t limit,
                     ShareTable **ret) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    int r;

    table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < paths->count; i++) {
        r = scan_path(table, paths->items[i], excludes, limit);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(table);
    return 0;
}

size_t share_table_count(const ShareTable *table) {
    return table ? table->count : 0;
}

const Share *share_table_at(const ShareTable *table, size_t i) {
    return table->items[i];
}

static const Share *find_exact(const ShareTable *table, const char *name, const char *type,
                               uint64_t size) {
    _cleanup_free_ char *key = make_key(name, type, size);
    const Share *share = NULL;

    if (key)
        HASH_FIND_STR(table->by_key, key, share);
    return share;
}

const Share *share_table_find(const ShareTable *table, const char *name, const char *type,
                              uint64_t size) {
    char stem[NAME_BYTES_MAX + 1], extension[TYPE_BYTES_MAX + 1];
    const Share *share;
    NameParts parts;

    if (!table)
        return NULL;
    share = find_exact(table, name, type, size);
    if (share)
        return share;
    parts = name_split(name, strlen(name));
    snprintf(stem, sizeof(stem), "%.*s", (int) parts.name_len, name);
    snprintf(extension, sizeof(extension), "%.*s", (int) parts.type_len, parts.type);
    return find_exact(table, stem, extension, size);
}

const char *share_path(const Share *share) {
    return share->path;
}

ShareState share_state(const Share *share) {
    return share->state;
}

int share_error(const Share *share) {
    return share->error;
}

Record share_record(const Share *share) {
    return (Record){
        .name = share->name,
        .type = share->type,
        .size = share->size,
        .modified = share->modified,
    };
}

// O_NONBLOCK: should a FIFO have taken the file's place, do not wait for its writer.
enum {
    OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

// path[0 .. root_len) is the directory that must not be left. No link is followed below it: the walk
// has followed none.
static int open_below(const char *path, size_t root_len) {
    _cleanup_free_ char *root = strndup(path, MAX(root_len, (size_t) 1));
    const char *relative = path + root_len;
    _cleanup_close_ int dir_fd = -EBADF;

    if (!root)
        return -ENOMEM;
    while (*relative == '/')
        relative++;
    dir_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -errno : open_beneath(dir_fd, relative, OPEN_FLAGS, 0);
}

static int open_share(const Share *share) {
    if (share->target)
        return open_below(share->target, strrchr(share->target, '/') - share->target);
    return open_below(share->path, share->root_len);
}

int share_open(const Share *share) {
    _cleanup_close_ int fd = open_share(share);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size != share->size)
        return -ESTALE;
    return TAKE_FD(fd);
}
