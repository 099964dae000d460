// SPDX-License-Identifier: MIT
#pragma once

// Examine, for p2pctl share: what this process, as its user and in its sandbox, can do with a path.

#include <systemd/sd-bus.h>

#include "util/work.h"

typedef struct Examiner {
    Work *work;           // a path, under way
    sd_bus_message *call; // to be answered then
} Examiner;

void examiner_done(Examiner *examiner); // the call stays without an answer

// Carries out a call of Examine, which polkit has allowed; answers when the file system has. As a
// method of sd-bus.
int examiner_examine(Examiner *examiner, sd_event *event, sd_bus_message *call,
                     sd_bus_error *error);
