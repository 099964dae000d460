// SPDX-License-Identifier: MIT
#pragma once

// One file that is shared, by value: for a thread, which has no business in the table of shares.

#include <stdint.h>
#include <sys/stat.h>

#include "util/file-hash.h"

typedef struct ShareFile {
    char *root;     // the directory that must not be left
    char *relative; // below it
    uint64_t stamp; // of the file when it was walked
} ShareFile;

void share_file_done(ShareFile *file);

// 64 bits that stand for an identity: the table keeps no more of it.
uint64_t share_stamp_of(const FileIdentity *identity);

// Opens it without leaving the directory. Returns an fd; -ESTALE: not the file any more that was
// walked (size, times, inode); -errno.
int share_file_open(const ShareFile *file, struct stat *ret);
