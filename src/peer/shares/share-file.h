// SPDX-License-Identifier: MIT
#pragma once

// One shared file, copied for use in a thread: a thread must not touch the table of shares.

#include <stdint.h>
#include <sys/stat.h>

#include "util/file-hash.h"

typedef struct ShareFile {
    char *root;     // the path must stay below this directory
    char *relative; // path below `root`
    uint64_t stamp; // of the file's identity during the walk
} ShareFile;

void share_file_done(ShareFile *file);

// A hash of an identity in 64 bits: the table keeps nothing else of it.
uint64_t share_stamp_of(const FileIdentity *identity);

// Opens the file without leaving the directory. Returns an fd, which the caller closes. -ESTALE:
// size, times or inode differ from those that the walk saw; or -errno.
int share_file_open(const ShareFile *file, struct stat *ret);
