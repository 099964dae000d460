// SPDX-License-Identifier: MIT
#pragma once

// The file that a download writes. p2pctl opens and locks TARGET.part with the permissions of the
// user, the daemon writes the bytes, and p2pctl renames it to TARGET when it is complete.

#include "ctl/ctl.h"

typedef struct Target {
    char *directory; // ends in a slash, or is ""
    char *name;      // of the file in that directory
    char *typed;     // NAME of the command line; NULL if -o names the file
    char *part;      // path; NULL until target_open()
    int fd;          // of the part; -EBADF until target_open()
    bool replace;    // an existing file
    bool had_bytes;  // the part existed, and was not empty
    bool keep_part;  // whatever the result of the download is
} Target;

#define TARGET_INIT ((Target){.fd = -EBADF})

// Whether a name that a stranger has chosen names a file in the current directory, and nothing
// else.
bool target_name_is_safe(const char *name);

// Checks a NAME of the command line. 0, or -EINVAL with the error printed.
int target_check_name(const char *name);

// The name that the file gets: as typed but, if typed without extension, with it. Pure. Caller
// frees; NULL = no memory.
char *target_file_name(const char *typed, const char *name, const char *type);

// Each of these returns 0, or prints an error and returns -errno.

// Prepares the file `name` in the current directory, or where the options say. -EEXIST: it exists
// and may not be replaced. `typed` is NAME of the command line.
int target_init(Target *target, const char *typed, const char *name,
                const DownloadRequest *options);
// Opens the part. `resume`: keep the bytes of an earlier download, else empty the part.
int target_open(Target *target, bool resume);
// Renames the part to the target, if it is `size` bytes long.
int target_commit(Target *target, uint64_t size);

// Closes the part, and removes it unless it was committed or has to be kept.
void target_clear(Target *target);

// The path of the target. Caller frees; NULL = no memory.
char *target_path(const Target *target);
