// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Opens `path` below dir_fd. The path cannot leave that directory: no "..", no symlink at all
// (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). Returns an fd or -errno.
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

// Opens an absolute path on which root or the user of this process owns each link. So nobody else
// can redirect the path with a link. Returns an fd or -errno. -ENOLINK: somebody else owns a link.
// *ret_real (may be NULL) is the path without links, owned by the caller.
int open_trusted(const char *path, int flags, char **ret_real);

// Whether the file system of fd has room for `bytes` more. 0, -ENOSPC or -errno. *ret_free: free
// bytes.
int check_free_space(int fd, uint64_t bytes, uint64_t *ret_free);

// Whether the path is that directory or in it, judged by the text alone. Neither ends in a slash.
bool path_is_below(const char *path, const char *directory);

// Creates the directory and its missing parents. 0, even if it exists, or -errno.
int make_directories(const char *path, mode_t mode);

// Whether this process may list and enter the directory, or read the file, at that absolute path. 0
// or -errno. On an error *ret_component is the part of the path that causes it: a directory without
// permission (-EACCES), a missing part (-ENOENT), or the path itself (also with -ENOLINK, see
// open_trusted()). The caller owns it; it is NULL with 0 and -ENOMEM. May block as long as the file
// system does.
int examine_path(const char *path, char **ret_component);
