// SPDX-License-Identifier: MIT

#include "share/access.h"

#include <acl/libacl.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "share/acl-edit.h"
#include "util/fs-util.h"
#include "util/macro.h"
#include "util/never-shared.h"

enum {
    NO_MODE = -1,
};

typedef struct AccessWalk {
    uid_t uid;
    bool take;      // take the permissions away instead of giving them
    uint64_t mount; // its ID; a device number differs within overlayfs and btrfs
    uid_t owner;    // of the root of the tree
    gid_t group;
    unsigned depth;
    mode_t parent; // of the current directory
    // The mode that the default list of the current directory stood for, if that list was ours. New
    // directories in it have inherited that mode.
    int inherited;
    int error; // the first error that did not end the walk
    AccessResult *result;
} AccessWalk;

// A path that leads to what the descriptor refers to, whatever its name is now.
typedef struct AccessSelf {
    char path[32];
} AccessSelf;

static AccessSelf access_self_of(int fd) {
    AccessSelf self;

    snprintf(self.path, sizeof(self.path), "/proc/self/fd/%d", fd);
    return self;
}

static int access_look(int fd, struct statx *ret) {
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret) < 0 ? -errno : 0;
}

// ------------------------------------------------------------------------------------- one list

// The mode of new files in the directory with that list; NO_MODE: it must not get a default list.
static int access_mode_of_new(acl_t access, mode_t mode) {
    if ((mode & S_IWOTH) || (mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP))
        return NO_MODE;
    return acl_edit_base(access) & ~022;
}

static int access_give_access(const char *self, uid_t uid, unsigned bits) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, ACL_TYPE_ACCESS);
    int r = acl ? acl_edit_grant(&acl, uid, bits) : -errno;

    if (r < 0)
        return r;
    return acl_set_file(self, ACL_TYPE_ACCESS, acl) < 0 ? -errno : 0;
}

static int access_give_default(const char *self, const AccessWalk *walk, mode_t mode) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, ACL_TYPE_DEFAULT), access = NULL;
    int r;

    if (!acl)
        return -errno;
    if (acl_entries(acl) == 0) {
        access = acl_get_file(self, ACL_TYPE_ACCESS);
        r = access ? access_mode_of_new(access, mode) : -errno;
        if (r == NO_MODE && access) {
            walk->result->shared++;
            return 0;
        }
        if (r < 0)
            return r;
        acl_free(acl);
        acl = acl_from_mode((mode_t)r);
        if (!acl)
            return -errno;
    }
    r = acl_edit_grant(&acl, walk->uid, ACL_READ | ACL_EXECUTE);
    if (r < 0)
        return r;
    return acl_set_file(self, ACL_TYPE_DEFAULT, acl) < 0 ? -errno : 0;
}

static int access_take_access(const char *self, uid_t uid) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, ACL_TYPE_ACCESS);
    int r = acl ? acl_edit_take(&acl, uid) : -errno;

    if (r == -EOPNOTSUPP)
        return 0; // such a file system keeps no lists
    if (r > 0 && acl_set_file(self, ACL_TYPE_ACCESS, acl) < 0)
        return -errno;
    return MIN(r, 0);
}

// Removes a default list that equals the one we would make, whoever made it. From any other list,
// only removes the entry of the user.
static int access_take_default(const char *self, AccessWalk *walk, mode_t mode) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, ACL_TYPE_DEFAULT),
                               access = acl_get_file(self, ACL_TYPE_ACCESS);
    int r = acl && access ? acl_edit_take(&acl, walk->uid) : -errno, inherited = walk->inherited;
    mode_t left;

    walk->inherited = NO_MODE;
    if (r <= 0)
        return r == -EOPNOTSUPP ? 0 : r;
    if (acl_equiv_mode(acl, &left) == 0 &&
        ((int)left == inherited || (int)left == access_mode_of_new(access, mode))) {
        walk->inherited = (int)left;
        return acl_delete_def_file(self) < 0 ? -errno : 0;
    }
    return acl_set_file(self, ACL_TYPE_DEFAULT, acl) < 0 ? -errno : 0;
}

static bool access_has_some(const char *self, acl_type_t type, uid_t uid) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, type);

    return acl && acl_edit_names(acl, uid);
}

// ------------------------------------------------------------------------- one file or directory

typedef enum AccessVerdict {
    CHANGE,
    GO_ON, // change nothing here, but look into it
    SKIP,
} AccessVerdict;

static bool access_group_may(const char *self, mode_t bits) {
    _cleanup_(acl_freep) acl_t acl = acl_get_file(self, ACL_TYPE_ACCESS);

    return acl && (acl_edit_base(acl) & bits) == bits;
}

// Whether the file has a second name. Another user may have linked a secret into the tree.
static bool access_is_linked(const AccessWalk *walk, const struct statx *st) {
    return S_ISREG(st->stx_mode) && st->stx_nlink > 1 &&
           (st->stx_uid != walk->owner || walk->owner == 0);
}

static AccessVerdict access_judge(const char *self, const AccessWalk *walk,
                                  const struct statx *st) {
    bool directory = S_ISDIR(st->stx_mode), linked = access_is_linked(walk, st);
    mode_t others = directory ? S_IROTH | S_IXOTH : S_IROTH, group = others << 3;
    bool planted = walk->owner == 0 && !directory && (walk->parent & (S_IWGRP | S_IWOTH));

    if (walk->take)
        return !linked ? CHANGE : access_has_some(self, ACL_TYPE_ACCESS, walk->uid) ? SKIP : GO_ON;
    if (st->stx_uid == walk->owner && !linked && !planted)
        return CHANGE;
    if ((st->stx_mode & others) == others)
        return GO_ON;
    return !linked && st->stx_gid == walk->group && access_group_may(self, group) ? CHANGE : SKIP;
}

static int access_change_file(const char *self, AccessWalk *walk) {
    return walk->take ? access_take_access(self, walk->uid)
                      : access_give_access(self, walk->uid, ACL_READ);
}

static int access_change_directory(const char *self, AccessWalk *walk, mode_t mode) {
    int r =
        walk->take ? access_take_default(self, walk, mode) : access_give_default(self, walk, mode);

    if (r < 0)
        return r;
    return walk->take ? access_take_access(self, walk->uid)
                      : access_give_access(self, walk->uid, ACL_READ | ACL_EXECUTE);
}

// ------------------------------------------------------------------------------------- a tree

static void access_note_failure(const AccessWalk *walk, int fd) {
    char path[4096];
    ssize_t n;

    if (walk->result->failed)
        return;
    n = readlink(access_self_of(fd).path, path, sizeof(path) - 1);
    walk->result->failed = n > 0 ? strndup(path, n) : NULL;
}

// The first failure ends giving. Taking goes on, to take away as much as possible.
static int access_failed(AccessWalk *walk, int fd, int r) {
    access_note_failure(walk, fd);
    if (!walk->take)
        return r;
    walk->error = walk->error ?: r;
    return 0;
}

static int access_change_tree(int fd, AccessWalk *walk);

static int access_change_entry(int fd, const char *name, AccessWalk *walk) {
    _cleanup_close_ int child = -EBADF;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (!walk->take && name_is_never_shared(name)))
        return 0;
    child = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (child >= 0)
        return access_change_tree(child, walk);
    return errno == ENOENT ? 0 : access_failed(walk, fd, -errno);
}

static int access_change_content(int fd, AccessWalk *walk) {
    int opened = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *directory = opened < 0 ? NULL : fdopendir(opened);
    struct dirent *entry;

    if (!directory) {
        r = -errno;
        close_fd(opened);
        return r;
    }
    while (r >= 0 && (errno = 0, entry = readdir(directory)))
        r = access_change_entry(fd, entry->d_name, walk);
    if (r >= 0 && errno != 0)
        r = -errno;
    closedir(directory);
    return r;
}

// Everything that has inherited our lists has them itself. So a directory without them can be left
// out.
static int access_too_deep(const char *self, const AccessWalk *walk) {
    return walk->take && !access_has_some(self, ACL_TYPE_ACCESS, walk->uid) &&
                   !access_has_some(self, ACL_TYPE_DEFAULT, walk->uid)
               ? 0
               : -E2BIG;
}

static int access_enter_directory(int fd, const struct statx *st, AccessVerdict verdict,
                                  AccessWalk *walk) {
    const AccessSelf self = access_self_of(fd);
    const AccessWalk outside = *walk;
    int r = 0;

    if (walk->depth >= ACCESS_DEPTH_MAX) {
        r = access_too_deep(self.path, walk);
        return r < 0 ? access_failed(walk, fd, r) : 0;
    }
    if (verdict == CHANGE)
        r = access_change_directory(self.path, walk, st->stx_mode);
    if (r < 0)
        r = access_failed(walk, fd, r);
    if (r < 0)
        return r;
    walk->depth++;
    walk->parent = st->stx_mode;
    r = access_change_content(fd, walk);
    walk->depth = outside.depth;
    walk->parent = outside.parent;
    walk->inherited = outside.inherited;
    return r < 0 ? access_failed(walk, fd, r) : 0;
}

static int access_change_tree(int fd, AccessWalk *walk) {
    const AccessSelf self = access_self_of(fd);
    struct statx st;
    AccessVerdict verdict;
    int r = access_look(fd, &st);

    if (r < 0)
        return access_failed(walk, fd, r);
    if (st.stx_mnt_id != walk->mount || !(S_ISDIR(st.stx_mode) || S_ISREG(st.stx_mode)))
        return 0;
    verdict = walk->depth == 0 ? CHANGE : access_judge(self.path, walk, &st);
    if (verdict == SKIP) {
        walk->result->skipped++;
        return 0;
    }
    if (verdict == CHANGE && ++walk->result->changed > ACCESS_FILES_MAX && !walk->take)
        return access_failed(walk, fd, -EFBIG);
    if (S_ISDIR(st.stx_mode))
        return access_enter_directory(fd, &st, verdict, walk);
    r = verdict == CHANGE ? access_change_file(self.path, walk) : 0;
    return r < 0 ? access_failed(walk, fd, r) : 0;
}

// Opens a path without following any link, since an owner may have changed it after it was
// resolved.
static int access_open_path(const char *path) {
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    path += strspn(path, "/");
    return root < 0 ? -errno : open_beneath(root, *path ? path : ".", O_PATH, 0);
}

// Whether another user may have moved this file or directory here under the name of the right one:
// for example something of root's in a home directory. In a directory with the sticky bit only
// owners can rename, but nobody else can move a whole directory there either.
static bool access_is_foreign(const struct statx *directory, const struct statx *st) {
    bool shared = (directory->stx_mode & S_IWOTH) ||
                  ((directory->stx_mode & S_IWGRP) && directory->stx_gid != 0);

    if (directory->stx_uid != 0)
        return st->stx_uid != directory->stx_uid;
    return shared && st->stx_uid == 0 &&
           !((directory->stx_mode & S_ISVTX) && S_ISDIR(st->stx_mode));
}

// The same, to give permissions: refuses a path if another user may have put a part of it there.
static int access_open_owned_path(const char *path) {
    _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct statx st, above;
    int r = fd < 0 ? -errno : access_look(fd, &st);

    for (const char *name = path + strspn(path, "/"), *end; r >= 0 && *name;
         name = end + strspn(end, "/")) {
        char part[NAME_MAX + 1];
        int next;

        end = name + strcspn(name, "/");
        if (end - name > NAME_MAX)
            return -ENAMETOOLONG;
        snprintf(part, sizeof(part), "%.*s", (int)(end - name), name);
        next = open_beneath(fd, part, O_PATH, 0);
        if (next < 0)
            return next;
        close_fd(fd);
        fd = next;
        above = st;
        r = access_look(fd, &st);
        if (r >= 0 && access_is_foreign(&above, &st))
            r = -EXDEV;
    }
    return r < 0 ? r : TAKE_FD(fd);
}

static int access_start_tree(const char *path, uid_t uid, bool take, AccessResult *result) {
    _cleanup_close_ int fd = take ? access_open_path(path) : access_open_owned_path(path);
    AccessWalk walk = {.uid = uid, .take = take, .inherited = NO_MODE, .result = result};
    struct statx st;
    int r;

    *result = (AccessResult){};
    if (fd < 0)
        return fd;
    r = access_look(fd, &st);
    if (r < 0)
        return r;
    walk.mount = st.stx_mnt_id;
    walk.owner = st.stx_uid;
    walk.group = st.stx_gid;
    r = access_change_tree(fd, &walk);
    return r < 0 ? r : walk.error;
}

int access_default_mode(const char *directory, mode_t *ret) {
    _cleanup_close_ int fd = access_open_path(directory);
    _cleanup_(acl_freep) acl_t access = NULL;
    struct statx st;
    int r = fd < 0 ? fd : access_look(fd, &st);

    if (r < 0)
        return r;
    access = acl_get_file(access_self_of(fd).path, ACL_TYPE_ACCESS);
    if (!access)
        return -errno;
    r = access_mode_of_new(access, st.stx_mode);
    if (r == NO_MODE)
        return 1;
    *ret = (mode_t)r;
    return 0;
}

int access_let_pass(const char *directory, uid_t uid) {
    _cleanup_close_ int fd = access_open_owned_path(directory);

    return fd < 0 ? fd : access_give_access(access_self_of(fd).path, uid, ACL_EXECUTE);
}

int access_let_read(const char *path, uid_t uid, AccessResult *result) {
    return access_start_tree(path, uid, false, result);
}

int access_revoke(const char *path, uid_t uid) {
    _cleanup_close_ int fd = access_open_path(path);

    return fd < 0 ? fd : access_take_access(access_self_of(fd).path, uid);
}

int access_revoke_tree(const char *path, uid_t uid, AccessResult *result) {
    return access_start_tree(path, uid, true, result);
}

void access_result_clear(AccessResult *result) {
    free(result->failed);
    *result = (AccessResult){};
}
