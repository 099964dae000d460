// SPDX-License-Identifier: MIT
#pragma once

// pkttyagent(1), the agent of polkit for a terminal. It asks for a password there, as the agent of
// a desktop does in a window. If a desktop has one, pkttyagent leaves the question to it.

#include <sys/types.h>

// Starts pkttyagent for this process, and returns when it is ready or has given up. Returns its
// PID; 0 if there is no terminal or no agent is installed; or -errno.
pid_t agent_start(void);
// Ends the agent; does nothing if `pid` is 0 or less.
void agent_stop(pid_t pid);
