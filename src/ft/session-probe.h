// SPDX-License-Identifier: MIT
#pragma once

// What a session does to find out whether its peer can be reached, for those who know of roots (protocol.h, REACHABLE).

#include "ft/session.h"

// Tries to reach it where its records say that it is, unless that has been done less than `again_usec` ago. 0 or -errno.
int session_probe(Session *session, uint64_t again_usec);

// Each writes an answer, or nothing to whom does not know it; 0 or -errno.
int session_answer_reachable(Session *session); // perhaps only when it has been tried
int session_tell_reachable(Session *session);   // what is known
