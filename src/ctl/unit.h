// SPDX-License-Identifier: MIT
#pragma once

// The state of a daemon's unit in systemd. Only systemd knows why a daemon is not running.

#include "ctl/ctl.h"

typedef enum UnitState {
    UNIT_UNKNOWN, // there is no systemd on that bus
    UNIT_ABSENT,  // it is not installed
    UNIT_MASKED,
    UNIT_FAILED,     // systemd does not try again
    UNIT_RESTARTING, // it has failed, and systemd tries again
    UNIT_OTHER,      // it exists, and runs or not
} UnitState;

// Asks the systemd on this bus, and waits for at most a few seconds.
UnitState unit_state(sd_bus *bus, const Service *service);
