// SPDX-License-Identifier: MIT
#pragma once

// The directories of a desktop user: $XDG_CONFIG_HOME/user-dirs.dirs, as xdg-user-dir(1) reads it.

#include <stddef.h>

// `name` is as in XDG_NAME_DIR, such as "DOWNLOAD". *ret is what the file says or, if it says
// nothing, `fallback` below the home directory. The caller frees it. NULL: the user wants no such
// directory (the file says $HOME). 0 or -ENOMEM.
int user_dir(const char *name, const char *fallback, char **ret);

// Reads `name` from a line KEY="VALUE" of the file. `home` has no slash at its end. *ret as above.
// 1, 0: the line is about something else or cannot be read, or -ENOMEM.
int user_dir_parse(const char *line, const char *name, const char *home, char **ret);
