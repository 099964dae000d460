// SPDX-License-Identifier: MIT
#pragma once

// Detects that an open file has changed, so that we never send bytes of two versions as one file.
// The stamp includes ctime, because the owner of a file may set mtime back. Therefore a file that
// is renamed, unlinked or linked during an upload counts as changed, too.

#include <stdint.h>
#include <sys/stat.h>

typedef struct FileStamp {
    uint64_t size;
    struct timespec modified, changed;
} FileStamp;

int file_stamp_get(int fd, FileStamp *ret);          // 0 or -errno
int file_stamp_check(int fd, const FileStamp *then); // 0, -ESTALE, -errno
