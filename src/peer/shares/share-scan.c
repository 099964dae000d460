// SPDX-License-Identifier: MIT

#include "peer/shares/share-scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/fs-util.h"
#include "util/log.h"
#include "util/never-shared.h"

typedef struct ShareWalk {
    const ShareScan *scan;
    ShareTable *table;
    const char *root; // the configured directory
} ShareWalk;

static bool share_scan_is_cancelled(const ShareScan *scan) {
    return scan->cancelled && atomic_load(scan->cancelled);
}

static bool share_scan_is_excluded(const ShareWalk *walk, const char *directory, const char *name) {
    const StringList *excludes = walk->scan->excludes;
    const char *below = directory + strlen(walk->root);
    char relative[PATH_MAX + NAME_MAX + 2];

    if (name_is_never_shared(name))
        return true;
    if (excludes->count == 0)
        return false;
    below += strspn(below, "/");
    snprintf(relative, sizeof(relative), "%s%s%s", below, *below ? "/" : "", name);
    for (size_t i = 0; i < excludes->count; i++)
        if (fnmatch(excludes->items[i], name, 0) == 0 ||
            fnmatch(excludes->items[i], relative, 0) == 0)
            return true;
    return false;
}

// ----------------------------------------------------------------------------------- one directory

// The entries of a directory: for each, one byte with the d_type, then the name. It is this compact
// because a directory may have a million entries.
typedef struct Listing {
    char *text;
    size_t len, capacity;
    uint32_t *items; // offset of each entry in `text`
    size_t count;
} Listing;

static void share_scan_listing_done(Listing *listing) {
    free(listing->text);
    free(listing->items);
}

static int share_scan_listing_add(Listing *listing, const struct dirent *dirent) {
    size_t len = strlen(dirent->d_name) + 2, end = listing->len + len;

    if (end > UINT32_MAX)
        return -E2BIG;
    if (end > listing->capacity) {
        size_t capacity = MAX(listing->capacity * 2, (size_t)1024);
        char *grown = realloc(listing->text, capacity);

        if (!grown)
            return -ENOMEM;
        listing->text = grown;
        listing->capacity = capacity;
    }
    if ((listing->count & (listing->count - 1)) == 0) {
        uint32_t *grown =
            reallocarray(listing->items, MAX(listing->count * 2, (size_t)1), sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        listing->items = grown;
    }
    listing->text[listing->len] = (char)dirent->d_type;
    memcpy(listing->text + listing->len + 1, dirent->d_name, len - 1);
    listing->items[listing->count++] = (uint32_t)listing->len;
    listing->len = end;
    return 0;
}

static int share_scan_compare_names(const void *a, const void *b, void *text) {
    return strcmp((const char *)text + *(const uint32_t *)a + 1,
                  (const char *)text + *(const uint32_t *)b + 1);
}

// Reads only the entries that the walk needs. 0, -ENOMEM, -E2BIG, or the -errno of reading.
static int share_scan_listing_read(const ShareWalk *walk, DIR *dir, const char *path,
                                   Listing *ret) {
    const struct dirent *dirent;
    int r;

    while ((errno = 0, dirent = readdir(dir))) {
        if (share_scan_is_cancelled(walk->scan))
            return -ECANCELED;
        // Skip symlinks, devices and sockets: they are not files.
        if ((dirent->d_type != DT_REG && dirent->d_type != DT_DIR &&
             dirent->d_type != DT_UNKNOWN) ||
            share_scan_is_excluded(walk, path, dirent->d_name))
            continue;
        r = share_scan_listing_add(ret, dirent);
        if (r < 0)
            return r;
    }
    if (errno != 0)
        return -errno;
    if (ret->count > 0)
        qsort_r(ret->items, ret->count, sizeof(*ret->items), share_scan_compare_names, ret->text);
    return 0;
}

static bool share_scan_is_fatal(int r) {
    return r == -ENOMEM || r == -E2BIG || r == -ECANCELED;
}

static int share_scan_walk_directory(ShareWalk *walk, int fd, const char *path);

static int share_scan_walk_below(ShareWalk *walk, int parent_fd, const char *parent,
                                 uint32_t directory, const char *name) {
    _cleanup_free_ char *path = NULL;
    int fd;

    if (asprintf(&path, "%s%s%s", parent, parent[strlen(parent) - 1] == '/' ? "" : "/", name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    // The kernel would refuse a longer path.
    if (strlen(path) + NAME_MAX + 1 >= PATH_MAX)
        return share_table_add(walk->table, directory, name, NULL, ENAMETOOLONG);
    if (walk->scan->watches)
        watch_set_add(walk->scan->watches, path);
    fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return share_scan_walk_directory(walk, fd, path);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        return 0; // removed or replaced since it was listed
    return share_table_add(walk->table, directory, name, NULL, errno);
}

static int share_scan_walk_entry(ShareWalk *walk, int fd, const char *path, uint32_t directory,
                                 const char *item) {
    const char *name = item + 1;
    struct stat st;

    if (*item == DT_DIR)
        return share_scan_walk_below(walk, fd, path, directory, name);
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : share_table_add(walk->table, directory, name, NULL, errno);
    if (S_ISDIR(st.st_mode))
        return share_scan_walk_below(walk, fd, path, directory, name);
    return S_ISREG(st.st_mode) ? share_table_add(walk->table, directory, name, &st, 0) : 0;
}

static int share_scan_add_failed_directory(ShareTable *table, const char *path, int error);

// Takes `fd` over.
static int share_scan_walk_directory(ShareWalk *walk, int fd, const char *path) {
    _cleanup_(share_scan_listing_done) Listing listing = {};
    uint32_t directory;
    DIR *dir;
    int r;

    dir = fdopendir(fd);
    if (!dir) {
        close_fd(fd);
        return -ENOMEM;
    }
    r = share_scan_listing_read(walk, dir, path, &listing);
    if (r < 0 && !share_scan_is_fatal(r))
        r = share_scan_add_failed_directory(walk->table, path, -r);
    if (r >= 0)
        r = share_table_add_directory(walk->table, path, strlen(walk->root), NULL, &directory);
    for (size_t i = 0; i < listing.count && r >= 0; i++) {
        r = share_scan_is_cancelled(walk->scan) ? -ECANCELED : 0;
        if (r >= 0)
            r = share_scan_walk_entry(walk, dirfd(dir), path, directory,
                                      listing.text + listing.items[i]);
    }
    closedir(dir);
    return r;
}

// ------------------------------------------------------------------------------ what is configured

// Adds an entry for a configured path, or for a directory that could not be read.
static int share_scan_add_path(ShareTable *table, const char *path, char *target,
                               const struct stat *st, int error) {
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = strndup(path, MAX(slash - path, (ptrdiff_t)1));
    uint32_t directory;
    int r;

    if (!parent) {
        free(target);
        return -ENOMEM;
    }
    r = share_table_add_directory(table, parent, 0, target, &directory);
    return r < 0 ? r : share_table_add(table, directory, slash + 1, st, error);
}

static int share_scan_add_failed_directory(ShareTable *table, const char *path, int error) {
    return share_scan_add_path(table, path, NULL, NULL, error);
}

// Takes the real path over.
static int share_scan_file(const ShareScan *scan, ShareTable *table, const char *path, char *real,
                           const struct stat *st) {
    if (scan->watches)
        watch_set_add_name(scan->watches, real);
    return share_scan_add_path(table, path, real, st, 0);
}

static int share_scan_path(const ShareScan *scan, ShareTable *table, const char *path) {
    ShareWalk walk = {.scan = scan, .table = table, .root = path};
    // Opened with O_PATH, which triggers no automount and does not wait for a FIFO or a device.
    _cleanup_close_ int path_fd = -EBADF;
    _cleanup_free_ char *real = NULL;
    struct stat st;
    int fd;

    if (scan->watches)
        watch_set_add_name(scan->watches, path);
    // Follow symlinks only here: the administrator did not name the targets of symlinks below.
    // Refuse symlinks of other users: the owner of a share could replace it with a symlink to files
    // that only p2p-peer may read.
    path_fd = open_trusted(path, O_PATH, &real);
    if (path_fd < 0)
        return path_fd == -ENOMEM ? -ENOMEM
                                  : share_scan_add_path(table, path, NULL, NULL, -path_fd);
    if (fstat(path_fd, &st) < 0)
        return share_scan_add_path(table, path, NULL, NULL, errno);
    if (S_ISREG(st.st_mode))
        return share_scan_file(scan, table, path, TAKE_PTR(real), &st);
    if (!S_ISDIR(st.st_mode))
        return share_scan_add_path(table, path, NULL, NULL, EINVAL);
    if (scan->watches)
        watch_set_add(scan->watches, path);
    fd = open_trusted(path, O_RDONLY | O_DIRECTORY, NULL);
    return fd < 0 ? share_scan_add_failed_directory(table, path, -fd)
                  : share_scan_walk_directory(&walk, fd, path);
}

// ---------------------------------------------------------------------------- roots that are known

// A hash table of all entries by their stamp. The rows of the cache are looked up in it in the
// order of the database file. So neither side has to be sorted, and the database needs no lookup
// per file. Open addressing; 0: free, else the number of an entry + 1.
typedef struct Join {
    const ShareScan *scan;
    ShareTable *table;
    uint32_t *slots;
    size_t mask;
    FileIdentity *useless; // files of rows that no entry matches
    size_t used_count, useless_count;
} Join;

static void share_scan_join_done(Join *join) {
    free(join->slots);
    free(join->useless);
}

static int share_scan_join_fill(Join *join) {
    size_t count = share_table_count(join->table), capacity = 16;

    while (capacity < count + count / 2)
        capacity *= 2;
    join->slots = calloc(capacity, sizeof(*join->slots));
    if (!join->slots)
        return -ENOMEM;
    join->mask = capacity - 1;
    for (size_t i = 0; i < count; i++) {
        const Share *share = share_table_at(join->table, i);
        size_t slot = share_stamp(share) & join->mask;

        if (share_state(share) != SHARE_HASHING)
            continue;
        while (join->slots[slot] != 0)
            slot = (slot + 1) & join->mask;
        join->slots[slot] = (uint32_t)i + 1;
    }
    return 0;
}

static int share_scan_join_add_useless(Join *join, const FileIdentity *identity) {
    if ((join->useless_count & (join->useless_count - 1)) == 0) {
        FileIdentity *grown =
            reallocarray(join->useless, MAX(join->useless_count * 2, (size_t)1), sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        join->useless = grown;
    }
    join->useless[join->useless_count++] = *identity;
    return 0;
}

// A file with several names has several entries in the table.
static int share_scan_join_row(const FileIdentity *identity, const MerkleHash *root,
                               void *userdata) {
    Join *join = userdata;
    uint64_t stamp = share_stamp_of(identity);
    bool used = false;

    if (share_scan_is_cancelled(join->scan))
        return -ECANCELED;
    for (size_t slot = stamp & join->mask; join->slots[slot] != 0; slot = (slot + 1) & join->mask) {
        size_t i = join->slots[slot] - 1;
        const Share *share = share_table_at(join->table, i);

        if (share_stamp(share) != stamp || share_record(share).size != identity->size ||
            share_state(share) != SHARE_HASHING)
            continue;
        share_table_set_root(join->table, i, root);
        used = true;
    }
    join->used_count += used;
    return used ? 0 : share_scan_join_add_useless(join, identity);
}

static void share_scan_forget_useless(const Join *join) {
    if (join->useless_count <= join->used_count + ROOT_CACHE_SPARE ||
        share_table_count_state(join->table, SHARE_VANISHED) > 0)
        return;
    if (root_cache_forget(join->scan->roots, join->useless, join->useless_count) >= 0)
        log_debug("Forgot the roots of %zu files that are gone", join->useless_count);
}

static int share_scan_find_roots(const ShareScan *scan, ShareTable *table) {
    _cleanup_(share_scan_join_done) Join join = {.scan = scan, .table = table};
    int r;

    if (share_table_count(table) == 0)
        return 0;
    r = share_scan_join_fill(&join);
    if (r >= 0)
        r = root_cache_each(scan->roots, share_scan_join_row, &join);
    if (r >= 0)
        share_scan_forget_useless(&join);
    return share_scan_is_fatal(r) ? r : 0; // the cache has logged its own errors
}

int share_scan(const ShareScan *scan, ShareTable **ret) {
    _cleanup_(share_table_freep) ShareTable *table = NULL;
    int r;

    r = share_table_new(&table);
    for (size_t i = 0; i < scan->paths->count && r >= 0; i++)
        r = share_scan_is_cancelled(scan) ? -ECANCELED
                                          : share_scan_path(scan, table, scan->paths->items[i]);
    if (r >= 0 && scan->roots)
        r = share_scan_find_roots(scan, table);
    if (r >= 0)
        r = share_table_seal(table);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(table);
    return 0;
}
