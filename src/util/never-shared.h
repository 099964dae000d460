// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>

// Names of files and directories that are never shared, unless they are configured themselves: of hidden ones, and of
// downloads that are not whole.
bool share_name_is_hidden(const char *name);
