// SPDX-License-Identifier: MIT
#pragma once

// The one place that says what an error of the bus, or of a daemon on it, means for the user.

#include "ctl/ctl.h"
#include "ctl/unit.h"

// Prints what went wrong when this program called the service, and what to do next. `r` is what
// sd-bus returned; `error` may be unset. Returns the exit status.
ExitStatus bus_failed(Ctl *ctl, const Service *service, const sd_bus_error *error, int r);

// Prints that the bus cannot be reached (`r` is -errno), and what to do next.
ExitStatus bus_unreachable(const Ctl *ctl, int r);

// Prints why the service is not running, if `state` shows the reason. False: nothing was printed.
bool failure_print_unit(const Ctl *ctl, const Service *service, UnitState state);

// The exit status that belongs to an error of the daemon.
ExitStatus error_status(const char *error_name);

// "FILE, then: COMMAND": the configuration file of p2p-peer, and how to make it read that again.
const char *config_hint(const Ctl *ctl);
