// SPDX-License-Identifier: MIT
#pragma once

// Finds out whether the peer of a session can be reached. Only rooted sessions have this
// (protocol.h, REACHABLE).

#include "ft/session.h"

// Probes the peer at its published address, unless the last probe ended less than `again_usec` ago.
// 0 or -errno.
int session_probe(Session *session, uint64_t again_usec);

// Both write an answer, if the session knows REACHABLE. 0 or -errno.
int session_answer_reachable(Session *session); // at once, or after a probe
int session_tell_reachable(Session *session);   // at once, what is known
