// SPDX-License-Identifier: MIT
#pragma once

// What p2pctl-share does. Paths are absolute; whatever goes wrong has been printed when they return.

#include "ctl/ctl.h"

ExitStatus share_add(Ctl *ctl, const char *config_path, const char *typed, bool fix);
ExitStatus share_remove(Ctl *ctl, const char *config_path, const char *typed);
ExitStatus share_list(Ctl *ctl, const char *config_path);
