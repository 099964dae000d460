// SPDX-License-Identifier: MIT
#pragma once

// Lets one user more pass a directory, or read a tree, by access control lists (acl(5)), and takes it back. What anybody else
// may stays as it is. Links are never followed, and what another file system has is left alone.
//
// In a tree, the owner of its root has a say over what is the owner's own, and over nothing else: others may have moved or
// linked somebody's secret there. So what is not the owner's is left alone, unless the group of the tree may read it anyway.
// Of root, in whose trees others often write, left alone is also what has a second name, and what lies where others may
// write. And so is what is never shared (share_name_is_hidden()).
//
// For what will be in a directory there is its default list. One that is made has what owner, group and others may in the
// directory, but for writing by the latter two, as with a umask of 022. From then on the umask of who makes a file there
// does not count any more, 077 included; the mode does that it is made with. Where others may write, or the group in a
// directory with the setgid bit, none is made, since that would change what they may; new files are then let read if their
// modes do.

#include <stddef.h>
#include <sys/types.h>

enum {
    ACCESS_DEPTH_MAX = 64,
    ACCESS_FILES_MAX = 10000000, // that get something
};

typedef struct AccessResult {
    size_t changed;
    size_t skipped; // files and directories that may be somebody's secret
    size_t shared;  // directories where none but existing files are let read
    char *
        failed; // the path at which it has ended, or where something could not be taken; owned, may be NULL
} AccessResult;
void access_result_clear(AccessResult *result);

// Each gives 0, or -errno: -EROFS, -EOPNOTSUPP (that file system keeps no such lists), -ELOOP (a link is on the way), -E2BIG
// (deeper than ACCESS_DEPTH_MAX), -EFBIG (more than ACCESS_FILES_MAX), ….
//
// Those that give give -EXDEV where a part of the path is in a directory of a user who does not own it, or is root's in one that
// others may write to: they may have put it there, under the name of something else.

// What a new default list of that directory says of owner, group and others, as a mode. 0; 1: none is made there; -errno.
int access_default_mode(const char *directory, mode_t *ret);

// Execute for that directory alone.
int access_let_pass(const char *directory, uid_t uid);
// Read for a file; for a directory all that is in it, and what will be.
int access_let_read(const char *path, uid_t uid, AccessResult *result);
// Takes all away that a list gives that user by name, but from a file that may be another's under a second name. What
// fails is gone past, and the first error returned at the end.
int access_revoke(const char *path, uid_t uid);
int access_revoke_tree(const char *path, uid_t uid, AccessResult *result);
