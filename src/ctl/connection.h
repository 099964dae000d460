// SPDX-License-Identifier: MIT
#pragma once

// The connection to the bus. Failures are printed here, in the words of failure.h.

#include "ctl/ctl.h"

// Connects to the bus that the options name, unless this has been done. 0, or -errno with the error
// printed.
int ctl_connect(Ctl *ctl);

// Connects, and has the bus start p2p-peer if it is enabled and not running. Verbs that only look
// do not call this, so that a daemon which the administrator has stopped stays stopped. Does not
// wait for a unit that has failed, as the bus would. STATUS_DONE, or the error has been printed.
ExitStatus ctl_connect_peer(Ctl *ctl);
