// SPDX-License-Identifier: MIT
#pragma once

// The connection to the bus, and the one place that says what a failure on it means.

#include "ctl/ctl.h"

// Connects to the bus that the options name. 0, or -errno with the error printed.
int ctl_connect(Ctl *ctl);

// GetAll of one interface of an object. 0, or -errno with *error set.
int get_all(sd_bus *bus, const Service *service, const char *path, const char *interface,
            sd_bus_error *error, sd_bus_message **ret);

// Prints what went wrong when calling the service, and the next step; returns the exit status. `r`
// is what sd-bus returned, `error` may be unset.
ExitStatus bus_failed(Ctl *ctl, const Service *service, const sd_bus_error *error, int r);

// "FILE, then: COMMAND": where the daemon is configured, and how it gets to know of a change.
const char *config_hint(const Ctl *ctl);

// Prints that nobody shares `name`.
ExitStatus nobody_shares(Ctl *ctl, const char *name);

// The exit status that an error of the daemon stands for.
ExitStatus error_status(const char *error_name);
