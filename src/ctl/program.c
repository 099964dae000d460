// SPDX-License-Identifier: MIT

#include "ctl/program.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "util/macro.h"

char *program_path(const char *program, const char *otherwise) {
    char self[4096], *path;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n > 0) {
        self[n] = '\0';
        if (asprintf(&path, "%s/%s", dirname(self), program) < 0)
            return NULL;
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return strdup(otherwise);
}
