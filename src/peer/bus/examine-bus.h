// SPDX-License-Identifier: MIT
#pragma once

// Examine, for p2pctl share: whether this process, as its user and in its sandbox, can read a path.

#include <systemd/sd-bus.h>

#include "util/work.h"

typedef struct Examiner {
    Work *work;           // the running examination, or NULL
    sd_bus_message *call; // the call that waits for its result
} Examiner;

// Stops a running examination without answering its call.
void examiner_done(Examiner *examiner);

// Executes a call of Examine that polkit has allowed, and answers it when the file system has
// answered. Returns what a method handler of sd-bus returns.
int examiner_examine(Examiner *examiner, sd_event *event, sd_bus_message *call,
                     sd_bus_error *error);
