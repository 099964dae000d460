// SPDX-License-Identifier: MIT
#pragma once

// What a daemon gives up for good once it has all that it needs: capabilities, set-user-ID
// programs, running any program (execve), new ports, signals to others, and writing outside the
// directories that it names. It may still read, because new shares come with a reload and no
// ruleset can be widened (doc/decisions/operations.md). Open file descriptors, and those that a
// caller passes, are not affected.

#include <stddef.h>

// Confines this thread and the threads that it starts, so call it before starting any. Skips
// Landlock, or parts of it, if the kernel lacks them. A directory that cannot be opened stays
// read-only. 0, or -errno of the first step that failed; the steps before it stay in force.
int sandbox_enter(const char *const writable[], size_t n);
