// SPDX-License-Identifier: MIT
#pragma once

// What systemd says of a daemon's unit, without which nobody can say why it does not run.

#include "ctl/ctl.h"

typedef enum UnitState {
    UNIT_UNKNOWN, // there is no systemd on that bus
    UNIT_ABSENT,  // it is not installed
    UNIT_MASKED,
    UNIT_FAILED,     // and is not tried again
    UNIT_RESTARTING, // it has failed, and will be tried again
    UNIT_OTHER,      // it is there, and runs or not
} UnitState;

// Asks the systemd that is on this bus, and does not wait longer than a few seconds.
UnitState unit_state(sd_bus *bus, const Service *service);
