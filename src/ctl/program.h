// SPDX-License-Identifier: MIT
#pragma once

// Starting the other programs of p2pshare.

#include <stdbool.h>
#include <sys/types.h>

// The path of the program beside this one, as in a build directory and where both are installed
// together; if it is not there, `otherwise`. For posix_spawnp(). Caller frees; NULL = no memory.
char *program_path(const char *program, const char *otherwise);

// Starts a program whose output goes into a pipe. The caller owns *ret_fd, the end to read from.
// 0, or -errno; -ENOENT: the program is not installed.
int program_start(const char *path, char *const argv[], bool with_stderr, pid_t *ret_pid,
                  int *ret_fd);
