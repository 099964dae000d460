// SPDX-License-Identifier: MIT
#pragma once

// Writes the file, whole or not at all, for everybody to read and its owner alone to write (whatever the umask), and makes its
// directory and those above it. It has no name before it has its mode. 0 or -errno.
int write_file(const char *path, const char *text);
