// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Opens `path` below dir_fd without ever leaving that directory: no "..", no symlink at all
// (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). Returns an fd or -errno.
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

// Opens an absolute path on which every link belongs to root or to the user of this process: nobody else can make it lead
// somewhere by putting a link in the place of what is theirs. Returns an fd or -errno; -ENOLINK: there is a link of somebody
// else. *ret_real (may be NULL): the path without links, owned by the caller.
int open_trusted(const char *path, int flags, char **ret_real);

// Whether `bytes` more fit the file system of fd: 0, -ENOSPC, or -errno. *ret_free = what is free.
int check_free_space(int fd, uint64_t bytes, uint64_t *ret_free);

// Whether the path is that directory or in it, by its text alone; both without a slash at their end.
bool path_is_below(const char *path, const char *directory);

// Makes the directory and those above it that are missing. 0, also if it is there; or -errno.
int make_directories(const char *path, mode_t mode);

// Whether this process may list the directory, and pass it, or read the file, at that absolute path. 0; or -errno, and
// *ret_component is the part of the path that is the reason: the directory that may not be passed (-EACCES), what is not
// there (-ENOENT), the path itself (also with -ENOLINK, see open_trusted()). Owned by the caller; NULL with 0 and -ENOMEM. May block as long as a file system does.
int examine_path(const char *path, char **ret_component);
