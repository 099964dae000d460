// SPDX-License-Identifier: MIT
#pragma once

// What administrators do with the FileTracker of this host.

#include "ctl/ctl.h"

// Prints each record that a search for the name finds, and its peer.
ExitStatus ft_admin_lookup(Ctl *ctl, const char *name);

// Ends the sessions of ADDRESS, or the one of ADDRESS:PORT.
ExitStatus ft_admin_kick(Ctl *ctl, const char *address);
