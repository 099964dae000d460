// SPDX-License-Identifier: MIT
#pragma once

// What a daemon gives up for good once it has all that it needs from outside: no capabilities, no set-user-ID program,
// no program at all (execve), no new port, no signals to others, and no writing but below the directories that it
// names. Reading stays as it is: new shares come with a reload, and no ruleset can be widened (ARCHITECTURE.md).
// File descriptors that are open already, or that a caller passes, are not affected.

#include <stddef.h>

// For this thread and those that it starts: before any other runs. Landlock is left out where the kernel has none, and so is
// each part of it that it does not know. A directory that cannot be opened stays read-only. 0 or -errno, which is that of
// the step that failed; those before it are in force.
int sandbox_enter(const char *const writable[], size_t n);
