// SPDX-License-Identifier: MIT
#pragma once

// Method calls to the daemons, and the password that polkit may want for one of them.

#include "ctl/ctl.h"

// Makes a new message of the call each time it is called. 0 or -errno.
typedef int (*MakeCall)(void *userdata, sd_bus_message **ret);

// Whether polkit may ask for a password now. Either the desktop has an agent for that, or the
// first call starts one on this terminal.
bool ctl_may_ask(Ctl *ctl);

// Calls a method that not every user may call, and waits up to `timeout` for the answer (µs;
// UINT64_MAX: for ever; 0: the timeout of sd-bus). If the daemon wants a password, makes the call a
// second time and lets polkit ask for it. `ret` may be NULL. 0, or -errno with *error set.
int ctl_call(Ctl *ctl, MakeCall make, void *userdata, uint64_t timeout, sd_bus_error *error,
             sd_bus_message **ret);

// The same for a method without arguments. Never starts the service.
int ctl_call_method(Ctl *ctl, const Service *service, const char *path, const char *interface,
                    const char *method, uint64_t timeout, sd_bus_error *error);

// Reads all properties of one interface of an object. Never starts the service. 0, or -errno with
// *error set.
int ctl_get_all(sd_bus *bus, const Service *service, const char *path, const char *interface,
                sd_bus_error *error, sd_bus_message **ret);
