// SPDX-License-Identifier: MIT

#include "util/user-dirs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/macro.h"
#include "util/text.h"

// Removes the quotes and backslashes. NULL: out of memory. "": not properly quoted.
static char *user_dirs_unquote(const char *text) {
    char *copy = strdup(text), *out = copy;

    for (const char *in = text; copy && *in != '"'; in++) {
        if (*in == '\\')
            in++;
        if (*in == '\0') {
            *copy = '\0';
            return copy;
        }
        *out++ = *in;
    }
    if (copy)
        *out = '\0';
    return copy;
}

int user_dir_parse(const char *line, const char *name, const char *home, char **ret) {
    _cleanup_free_ char *value = NULL;
    bool below_home;
    const char *rest;
    size_t len;

    line += strspn(line, " \t");
    len = strlen(name);
    if (strncmp(line, "XDG_", 4) != 0 || strncmp(line + 4, name, len) != 0 ||
        strncmp(line + 4 + len, "_DIR=\"", 6) != 0)
        return 0;
    value = user_dirs_unquote(line + 4 + len + 6);
    if (!value)
        return -ENOMEM;
    below_home =
        *value == '$' && strncmp(value, "$HOME", 5) == 0 && (value[5] == '/' || value[5] == '\0');
    if ((!below_home && *value != '/') || !text_is_utf8(value, strlen(value)))
        return 0;
    rest = below_home ? value + 5 : value;
    for (len = strlen(rest); len > 0 && rest[len - 1] == '/';)
        len--;
    *ret = NULL;
    if (len == 0 || (!below_home && strlen(home) == len && strncmp(rest, home, len) == 0))
        return 1;
    return asprintf(ret, "%s%.*s", below_home ? home : "", (int)len, rest) < 0 ? -ENOMEM : 1;
}

static FILE *user_dirs_open_file(const char *home) {
    const char *base = getenv("XDG_CONFIG_HOME");
    _cleanup_free_ char *path = NULL;

    if ((base && *base == '/' ? asprintf(&path, "%s/user-dirs.dirs", base)
                              : asprintf(&path, "%s/.config/user-dirs.dirs", home)) < 0) {
        path = NULL;
        return NULL;
    }
    return fopen(path, "re");
}

int user_dir(const char *name, const char *fallback, char **ret) {
    const char *home = getenv("HOME") ?: "";
    FILE *file = user_dirs_open_file(home);
    _cleanup_free_ char *found = NULL;
    char line[4096];
    bool said = false;
    int r = 0;

    // The last matching line counts, as for a shell that sources the file.
    while (file && r >= 0 && fgets(line, sizeof(line), file)) {
        char *value;

        r = user_dir_parse(line, name, home, &value);
        if (r <= 0)
            continue;
        said = true;
        free(found);
        found = value;
    }
    if (file)
        fclose(file);
    if (r < 0)
        return r;
    if (!said && *home == '/' && asprintf(&found, "%s/%s", home, fallback) < 0) {
        found = NULL;
        return -ENOMEM;
    }
    *ret = TAKE_PTR(found);
    return 0;
}
