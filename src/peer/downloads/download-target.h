// SPDX-License-Identifier: MIT
#pragma once

// Where a download goes: NAME.part in a directory, renamed to NAME when it is whole; or a file that
// a caller has opened.

#include <stdbool.h>
#include <stdint.h>

#include "proto/name.h"

typedef struct DownloadTarget {
    int fd;     // to be written; owned; -EBADF: none yet
    int dir_fd; // owned; -EBADF: the caller's file
    char name[FILE_NAME_BYTES_MAX + 1];
    char part[NAME_BYTES_MAX + 1];
} DownloadTarget;

#define DOWNLOAD_TARGET_INIT ((DownloadTarget){.fd = -EBADF, .dir_fd = -EBADF})

// Opens directory/name.part, with what an earlier download has left in it. -EEXIST: `name` is there
// already; -EWOULDBLOCK: another download writes the same file; -errno.
int download_target_open(DownloadTarget *target, const char *directory, const char *name);

// Whether so many bytes will fit; what is in the file already need not fit again. 0, -ENOSPC,
// -errno.
int download_target_check_space(const DownloadTarget *target, uint64_t size);

// Gives the file, whose contents are on disk, its name; 0, -EEXIST, -errno.
int download_target_commit(DownloadTarget *target);

// Deletes what has not been committed. A caller's own file stays as it is.
void download_target_discard(DownloadTarget *target);

// Closes; what has not been committed stays for the next download of the file.
void download_target_done(DownloadTarget *target);

// Whether a caller's descriptor will do: a regular file, open for reading and writing.
bool download_target_is_usable(int fd);

// What an error about a target means, a part of a sentence.
const char *download_target_error(int error);
