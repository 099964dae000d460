// SPDX-License-Identifier: MIT
#pragma once

// Writes a file in one step, and creates the directories above it. Everybody may read the file, and
// its owner may write it, whatever the umask is; its mode is set before it gets its name. 0 or
// -errno.
int write_file(const char *path, const char *text);
