// SPDX-License-Identifier: MIT
#pragma once

#include <stdint.h>
#include <sys/types.h>

// Opens `path` below dir_fd without ever leaving that directory: no "..", no symlink at all
// (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). Returns an fd or -errno.
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

// Whether `bytes` more fit the file system of fd: 0, -ENOSPC, or -errno. *ret_free = what is free.
int check_free_space(int fd, uint64_t bytes, uint64_t *ret_free);

// Makes the directory and those above it that are missing. 0, also if it is there; or -errno.
int make_directories(const char *path, mode_t mode);
