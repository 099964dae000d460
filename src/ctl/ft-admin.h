// SPDX-License-Identifier: MIT
#pragma once

// What administrators do with the FileTracker of this host.

#include "ctl/ctl.h"

// Each record that a search for that name would find, and at which peer.
ExitStatus ft_admin_lookup(Ctl *ctl, const char *name);

// Ends the sessions of ADDRESS or ADDRESS:PORT.
ExitStatus ft_admin_kick(Ctl *ctl, const char *address);
