// SPDX-License-Identifier: MIT
#pragma once

// Find, the search by words, on D-Bus. `userdata` is the PeerBus.

#include <systemd/sd-bus.h>

#define FIND_BUS_FILES "a(sstsua{sv})"
int find_bus_method(sd_bus_message *call, void *userdata, sd_bus_error *error);
