// SPDX-License-Identifier: MIT
#pragma once

// The file that a download becomes. The bytes arrive in TARGET.part, opened and locked by the
// caller of p2pctl, and TARGET appears when all of them are there.

#include "ctl/ctl.h"

typedef struct Target {
    char *directory; // with a slash at its end, or ""
    char *name;      // of the file in it
    char *typed;     // NAME of the command line; NULL if -o has named the file
    char *part;      // path; NULL until target_open()
    int fd;          // of the part; -EBADF until target_open()
    bool replace;    // what is there already
    bool had_bytes;  // the part was there, with something in it
    bool keep_part;  // whatever has become of the download
} Target;

#define TARGET_INIT \
    { .fd = -EBADF }

// Whether a name that a stranger chose names a file in the directory at hand, and nothing else.
bool target_name_is_safe(const char *name);

// Says on stderr what is wrong with NAME of the command line: -EINVAL, or 0.
int target_check_name(const char *name);

// How the downloaded file is to be called: as typed, except that a name typed without its extension
// gets it. Pure. Caller frees; NULL = no memory.
char *target_file_name(const char *typed, const char *name, const char *type);

// Each prints what is wrong and returns -errno, or returns 0.

// The file `name` in the current directory, or where the options say: -EEXIST if it is there and may not
// be replaced. `typed`: NAME of the command line.
int target_init(Target *target, const char *typed, const char *name,
                const DownloadRequest *options);
// `resume`: what an earlier download has left is kept; else it is emptied.
int target_open(Target *target, bool resume);
// Gives the part its name, if it is `size` bytes long.
int target_commit(Target *target, uint64_t size);

// Removes the part unless it has been committed or is to be kept; closes it.
void target_clear(Target *target);

// Caller frees; NULL = no memory.
char *target_path(const Target *target);
