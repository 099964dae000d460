// SPDX-License-Identifier: MIT
#pragma once

// Access control lists (acl(5)): lets one user more pass a directory, or read a tree, and takes it back. What anybody else may
// stays as it is. Links are never followed, and what another file system has is left alone.

#include <stddef.h>
#include <sys/types.h>

enum {
    ACCESS_DEPTH_MAX = 64,
    ACCESS_FILES_MAX = 10000000,
};

typedef struct AccessResult {
    size_t changed;
    size_t
        skipped; // files with another name elsewhere, whose owner is not the tree's: somebody may have linked a secret here
    char *failed; // the path at which it has ended; owned, may be NULL
} AccessResult;
void access_result_clear(AccessResult *result);

// Each gives 0, or -errno: -EROFS, -EOPNOTSUPP (that file system keeps no such lists), -ELOOP (deeper than
// ACCESS_DEPTH_MAX), -EFBIG (more than ACCESS_FILES_MAX), ….

// Execute for that directory alone.
int access_let_pass(const char *directory, uid_t uid);
// Read for a file; for a directory all that is in it, and what will be.
int access_let_read(const char *path, uid_t uid, AccessResult *result);
// Takes all away that a list gives that user by name.
int access_revoke(const char *path, uid_t uid);
int access_revoke_tree(const char *path, uid_t uid, AccessResult *result);
