// SPDX-License-Identifier: MIT
#pragma once

// Whether an open file is still what it was: bytes of two versions must not be sent as one file.
// ctime is looked at because anybody may set mtime back; so a file that is renamed, unlinked or
// linked while it is sent counts as changed, too.

#include <stdint.h>
#include <sys/stat.h>

typedef struct FileStamp {
    uint64_t size;
    struct timespec modified, changed;
} FileStamp;

int file_stamp_get(int fd, FileStamp *ret);          // 0 or -errno
int file_stamp_check(int fd, const FileStamp *then); // 0, -ESTALE, -errno
