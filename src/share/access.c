// SPDX-License-Identifier: MIT

#include "share/access.h"

#include <acl/libacl.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>

#include "util/fs-util.h"
#include "util/macro.h"

static void acl_freep(acl_t *acl) {
    if (*acl)
        acl_free(*acl);
}

static const acl_perm_t perms[] = {ACL_READ, ACL_WRITE, ACL_EXECUTE};

static unsigned get_perms(acl_entry_t entry) {
    acl_permset_t set;
    unsigned bits = 0;

    if (acl_get_permset(entry, &set) == 0)
        for (size_t i = 0; i < ELEMENTSOF(perms); i++)
            if (acl_get_perm(set, perms[i]) > 0)
                bits |= perms[i];
    return bits;
}

static void set_perms(acl_entry_t entry, unsigned bits) {
    acl_permset_t set;

    if (acl_get_permset(entry, &set) < 0)
        return;
    acl_clear_perms(set);
    for (size_t i = 0; i < ELEMENTSOF(perms); i++)
        if (bits & perms[i])
            acl_add_perm(set, perms[i]);
}

// The first entry of that kind, of that user where it names one; or NULL.
static acl_entry_t find(acl_t acl, acl_tag_t wanted, uid_t uid) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;
        uid_t *qualifier;
        bool same;

        if (acl_get_tag_type(entry, &tag) < 0 || tag != wanted)
            continue;
        if (wanted != ACL_USER)
            return entry;
        qualifier = acl_get_qualifier(entry);
        same = qualifier && *qualifier == uid;
        acl_free(qualifier);
        if (same)
            return entry;
    }
    return NULL;
}

// All whom the mask bounds get no more than it leaves them, so that it can be widened for one.
static void apply_mask(acl_t acl, unsigned mask) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;

        if (acl_get_tag_type(entry, &tag) == 0 &&
            (tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ))
            set_perms(entry, get_perms(entry) & mask);
    }
}

static int add_entry(acl_t *acl, acl_tag_t tag, acl_entry_t *ret) {
    if (acl_create_entry(acl, ret) < 0 || acl_set_tag_type(*ret, tag) < 0)
        return -errno;
    return 0;
}

static int grant(acl_t *acl, uid_t uid, unsigned bits) {
    acl_entry_t mask = find(*acl, ACL_MASK, 0), own;
    unsigned allowed = get_perms(mask ?: find(*acl, ACL_GROUP_OBJ, 0));
    int r = 0;

    if (mask)
        apply_mask(*acl, allowed);
    own = find(*acl, ACL_USER, uid);
    if (!own) {
        r = add_entry(acl, ACL_USER, &own);
        if (r < 0 || acl_set_qualifier(own, &uid) < 0)
            return r < 0 ? r : -errno;
    }
    set_perms(own, get_perms(own) | bits);
    // Creating an entry may have moved the others.
    mask = find(*acl, ACL_MASK, 0);
    if (!mask)
        r = add_entry(acl, ACL_MASK, &mask);
    if (r >= 0)
        set_perms(mask, allowed | bits);
    return r;
}

static bool has_names(acl_t acl) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;

        if (acl_get_tag_type(entry, &tag) == 0 && (tag == ACL_USER || tag == ACL_GROUP))
            return true;
    }
    return false;
}

// 1 if there was something to take.
static int take_back(acl_t *acl, uid_t uid) {
    acl_entry_t own = find(*acl, ACL_USER, uid), mask = find(*acl, ACL_MASK, 0);

    if (!own)
        return 0;
    // The same for all others, whatever the mask is then.
    if (mask)
        apply_mask(*acl, get_perms(mask));
    if (acl_delete_entry(*acl, own) < 0)
        return -errno;
    mask = find(*acl, ACL_MASK, 0);
    if (!has_names(*acl) && mask)
        return acl_delete_entry(*acl, mask) < 0 ? -errno : 1;
    return acl_calc_mask(acl) < 0 ? -errno : 1;
}

typedef struct Change {
    uid_t uid;
    bool take; // away
} Change;

// The list of that kind of what is open there.
static int change_list(const char *self, acl_type_t type, const Change *change, unsigned bits) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, type);
    int r;

    if (!acl)
        return -errno;
    // What is made in a directory without a default list gets one like the directory's own.
    if (type == ACL_TYPE_DEFAULT && acl_entries(acl) == 0 && !change->take) {
        acl_free(acl);
        acl = acl_get_file(self, ACL_TYPE_ACCESS);
        if (!acl)
            return -errno;
    }
    r = change->take ? take_back(&acl, change->uid) : grant(&acl, change->uid, bits);
    if (r < 0 || (change->take && r == 0))
        return r;
    if (change->take && type == ACL_TYPE_DEFAULT && !has_names(acl))
        return acl_delete_def_file(self) < 0 ? -errno : 0;
    return acl_set_file(self, type, acl) < 0 ? -errno : 0;
}

// What the descriptor stands for, whatever its name is now.
static int change_one(int fd, const Change *change, unsigned bits, bool defaults) {
    char self[32];
    int r;

    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    r = defaults ? change_list(self, ACL_TYPE_DEFAULT, change, bits) : 0;
    return r < 0 ? r : change_list(self, ACL_TYPE_ACCESS, change, bits);
}

typedef struct Walk {
    Change change;
    uint64_t mount; // not the device, which differs within overlayfs and btrfs
    uid_t owner;
    unsigned depth;
    AccessResult *result;
} Walk;

static void note_failure(const Walk *walk, int fd) {
    char self[32], path[4096];
    ssize_t n;

    if (walk->result->failed)
        return;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    n = readlink(self, path, sizeof(path) - 1);
    walk->result->failed = n > 0 ? strndup(path, n) : NULL;
}

static int change_tree(int fd, Walk *walk);

static int change_content(int fd, Walk *walk) {
    int opened = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *directory = opened < 0 ? NULL : fdopendir(opened);
    struct dirent *entry;

    if (!directory) {
        r = -errno;
        close_fd(opened);
        return r;
    }
    while (r >= 0 && (errno = 0, entry = readdir(directory))) {
        _cleanup_close_ int child = -EBADF;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        child = openat(fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (child >= 0)
            r = change_tree(child, walk);
        else if (errno != ENOENT)
            r = -errno;
    }
    if (r >= 0 && errno != 0)
        r = -errno;
    closedir(directory);
    return r;
}

static int look(int fd, struct statx *ret) {
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0 ? -errno : 0;
}

static int change_tree(int fd, Walk *walk) {
    struct statx st;
    int r = look(fd, &st);

    if (r < 0)
        return r;
    if (st.stx_mnt_id != walk->mount || !(S_ISDIR(st.stx_mode) || S_ISREG(st.stx_mode)))
        return 0;
    if (S_ISREG(st.stx_mode) && st.stx_nlink > 1 && st.stx_uid != walk->owner &&
        !walk->change.take) {
        walk->result->skipped++;
        return 0;
    }
    if (++walk->result->changed > ACCESS_FILES_MAX)
        return -EFBIG;
    if (S_ISREG(st.stx_mode))
        r = change_one(fd, &walk->change, ACL_READ, false);
    else if (walk->depth >= ACCESS_DEPTH_MAX)
        r = -ELOOP;
    else {
        walk->depth++;
        r = change_one(fd, &walk->change, ACL_READ | ACL_EXECUTE, true);
        if (r >= 0)
            r = change_content(fd, walk);
        walk->depth--;
    }
    if (r < 0)
        note_failure(walk, fd);
    return r;
}

// No link anywhere on the way: the path was resolved before, and its owner may have changed it since.
static int open_path(const char *path) {
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    path += strspn(path, "/");
    return root < 0 ? -errno : open_beneath(root, *path ? path : ".", O_PATH, 0);
}

static int start_tree(const char *path, Change change, AccessResult *result) {
    _cleanup_close_ int fd = open_path(path);
    Walk walk = {.change = change, .result = result};
    struct statx st;
    int r;

    *result = (AccessResult){};
    if (fd < 0)
        return fd;
    r = look(fd, &st);
    if (r < 0)
        return r;
    walk.mount = st.stx_mnt_id;
    walk.owner = st.stx_uid;
    return change_tree(fd, &walk);
}

static int start_one(const char *path, Change change, unsigned bits) {
    _cleanup_close_ int fd = open_path(path);

    return fd < 0 ? fd : change_one(fd, &change, bits, false);
}

int access_let_pass(const char *directory, uid_t uid) {
    return start_one(directory, (Change){.uid = uid}, ACL_EXECUTE);
}

int access_let_read(const char *path, uid_t uid, AccessResult *result) {
    return start_tree(path, (Change){.uid = uid}, result);
}

int access_revoke(const char *path, uid_t uid) {
    return start_one(path, (Change){.uid = uid, .take = true}, 0);
}

int access_revoke_tree(const char *path, uid_t uid, AccessResult *result) {
    return start_tree(path, (Change){.uid = uid, .take = true}, result);
}

void access_result_clear(AccessResult *result) {
    free(result->failed);
    *result = (AccessResult){};
}
