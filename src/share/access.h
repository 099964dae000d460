// SPDX-License-Identifier: MIT
#pragma once

// Gives one user the permission to pass a directory or to read a tree, by access control lists
// (acl(5)), and takes it away again. The permissions of all others stay the same. Links are never
// followed, and other file systems below are left alone.
//
// The owner of the root of a tree may decide only about their own files, because other users may
// have moved or linked a secret there. So files of other owners are left alone, unless the group of
// the tree may read them anyway. Other users often write to trees of root. So in these, files with
// a second name and files in directories that others may write to are left alone as well. The same
// holds for files that are never shared (name_is_never_shared()).
//
// A default list gives the permission to files that will be created in a directory. A new default
// list gives owner, group and others what they have on the directory, except that group and others
// may not write, as with a umask of 022. From then on, the umask of a user who creates a file there
// has no effect, not even 077; the mode that the program asks for still has. A directory that
// others may write to, or the group if the setgid bit is set, gets no default list, since that
// would change their permissions. p2p-peer can then read new files there only if their modes allow
// it.

#include <stddef.h>
#include <sys/types.h>

enum {
    ACCESS_DEPTH_MAX = 64,
    ACCESS_FILES_MAX = 10000000, // files and directories that get a list
};

typedef struct AccessResult {
    size_t changed;
    size_t skipped; // files and directories that may be a secret of another user
    size_t shared;  // directories without a default list; only existing files were changed
    // The path at which it has ended, or from which a permission could not be taken. Owned; NULL:
    // none.
    char *failed;
} AccessResult;
void access_result_clear(AccessResult *result);

// Each returns 0 or -errno: -EROFS; -EOPNOTSUPP (the file system keeps no such lists); -ELOOP (a
// link is on the way); -E2BIG (deeper than ACCESS_DEPTH_MAX); -EFBIG (more than ACCESS_FILES_MAX);
// and others.
//
// Functions that give permissions return -EXDEV if another user may have put a part of the path
// there under the name of something else. That is the case if the part is in a directory whose
// owner does not own it, or if it is root's and others may write to the directory.

// The mode that a new default list of the directory would stand for. 0; 1: it must not get one; or
// -errno.
int access_default_mode(const char *directory, mode_t *ret);

// Gives the execute permission for that directory alone.
int access_let_pass(const char *directory, uid_t uid);
// Gives the read permission for a file, or for all that is and will be in a directory.
int access_let_read(const char *path, uid_t uid, AccessResult *result);
// Removes the entries that name the user, except from files that may belong to another user under a
// second name. Goes on after a failure, and returns the first error at the end.
int access_revoke(const char *path, uid_t uid);
int access_revoke_tree(const char *path, uid_t uid, AccessResult *result);
