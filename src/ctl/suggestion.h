// SPDX-License-Identifier: MIT
#pragma once

// What to try next when a search for a name finds nothing.

#include "ctl/ctl.h"

// Prints that no peer shares `name`, and which files have similar names. Returns STATUS_NOTHING.
ExitStatus nobody_shares(Ctl *ctl, const char *name);
