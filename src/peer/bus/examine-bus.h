// SPDX-License-Identifier: MIT
#pragma once

// Examine, for p2pctl share: what this process, as its user and in its sandbox, can do with a path.

#include <systemd/sd-bus.h>

#include "peer/peer.h"

// Carries out a call of Examine, which polkit has allowed; answers when the file system has.
int examine_bus(sd_bus_message *call, uid_t caller, void *userdata, sd_bus_error *error);
