// SPDX-License-Identifier: MIT
#pragma once

// The file that a download writes. It is either NAME.part in a directory, renamed to NAME when it
// is complete, or a file that the caller opened.

#include <stdbool.h>
#include <stdint.h>

#include "proto/name.h"

typedef struct DownloadTarget {
    int fd;     // open for writing; owned; -EBADF: none yet
    int dir_fd; // owned; -EBADF: the file is the caller's
    char name[FILE_NAME_BYTES_MAX + 1];
    char part[NAME_BYTES_MAX + 1];
} DownloadTarget;

#define DOWNLOAD_TARGET_INIT ((DownloadTarget){.fd = -EBADF, .dir_fd = -EBADF})

// Opens directory/name.part and keeps the bytes that an earlier download left in it. 0; -EEXIST:
// `name` exists already; -EWOULDBLOCK: another download writes the same file; -errno.
int download_target_open(DownloadTarget *target, const char *directory, const char *name);

// Checks that a file of `size` bytes fits on the disk. Bytes that the file already holds need no
// more space. 0, -ENOSPC, -errno.
int download_target_check_space(const DownloadTarget *target, uint64_t size);

// Renames the file to its final name. The caller has synced its contents. 0, -EEXIST, -errno.
int download_target_commit(DownloadTarget *target);

// Deletes the file unless it is committed. A caller's own file stays as it is.
void download_target_discard(DownloadTarget *target);

// Closes the file. An uncommitted part stays for the next download of the same file.
void download_target_done(DownloadTarget *target);

// Whether a caller's descriptor can be used: a regular file, open for reading and writing.
bool download_target_is_usable(int fd);

// Says what an error about a target means, as part of a sentence.
const char *download_target_error(int error);
