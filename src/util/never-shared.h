// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>

// Whether a file or directory of this name is never shared: a hidden one, or a download that is
// not complete (*.part). A path that the configuration names itself is shared all the same.
bool name_is_never_shared(const char *name);
