// SPDX-License-Identifier: MIT
#pragma once

// The connection to the bus, and the one place that says what a failure on it means.

#include "ctl/ctl.h"

// Connects to the bus that the options name, once. 0, or -errno with the error printed.
int ctl_connect(Ctl *ctl);
// The same, and has the bus start p2p-peer if it does not run and is enabled. Who only looks does not: what an administrator
// has stopped stays so. One that has failed is not waited for, as the bus would do. STATUS_DONE, or the error printed.
ExitStatus ctl_connect_peer(Ctl *ctl);

// Whether polkit may ask for a password now, by the agent of the desktop or by one on this terminal, which is started the
// first time.
bool ctl_may_ask(Ctl *ctl);
// Calls what not everybody may, and waits for the answer until `timeout` (µs; UINT64_MAX: for ever; 0: the bus's own).
// Where the daemon wants a password, makes the call anew so that polkit asks for it. *ret may be NULL. 0, or -errno with
// *error set.
typedef int (*MakeCall)(void *userdata, sd_bus_message **ret);
int ctl_call(Ctl *ctl, MakeCall make, void *userdata, uint64_t timeout, sd_bus_error *error,
             sd_bus_message **ret);
// A method of the service that has no arguments. Never starts it.
int ctl_call_method(Ctl *ctl, const Service *service, const char *path, const char *interface,
                    const char *method, uint64_t timeout, sd_bus_error *error);

// GetAll of one interface of an object. Never starts the service. 0, or -errno with *error set.
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
