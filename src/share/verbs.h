// SPDX-License-Identifier: MIT
#pragma once

// The verbs of p2pctl-share. Paths are absolute. Each function has printed its errors when it
// returns.

#include "ctl/ctl.h"

ExitStatus share_add(Ctl *ctl, const char *config_path, const char *typed, bool fix);
ExitStatus share_remove(Ctl *ctl, const char *config_path, const char *typed);
ExitStatus share_list(Ctl *ctl, const char *config_path);
