// SPDX-License-Identifier: MIT
#pragma once

// The directories of a desktop user: $XDG_CONFIG_HOME/user-dirs.dirs, as xdg-user-dir(1) reads it.

#include <stddef.h>

// `name` as in XDG_NAME_DIR, such as "DOWNLOAD". The file's word for it, or `fallback` below the home directory
// where it says nothing. *ret: caller frees; NULL: the user wants none (the file says $HOME itself). 0 or -ENOMEM.
int user_dir(const char *name, const char *fallback, char **ret);

// What the file's line KEY="VALUE" says of `name`; `home` is without a slash at its end. *ret as above. 1; 0: it is
// about something else, or cannot be read; -ENOMEM.
int user_dir_parse(const char *line, const char *name, const char *home, char **ret);
