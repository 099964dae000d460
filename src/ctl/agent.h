// SPDX-License-Identifier: MIT
#pragma once

// polkit's agent for a terminal, pkttyagent(1): asks for a password there what the desktop's own would ask for in a
// window. Where that runs, this one leaves it to it.

#include <sys/types.h>

// Starts it for this process, and returns when it is ready or has given up. Its PID; 0: there is no terminal, or no
// agent is installed; -errno.
pid_t agent_start(void);
void agent_stop(pid_t pid); // <= 0: nothing
