// SPDX-License-Identifier: MIT

#include "util/never-shared.h"

#include <string.h>

bool name_is_never_shared(const char *name) {
    size_t len = strlen(name);

    return name[0] == '.' || (len >= 5 && strcmp(name + len - 5, ".part") == 0);
}
