// SPDX-License-Identifier: MIT
#pragma once

// Counts sessions and records per site. A site is an IPv4 address or a /64 of IPv6, because that is
// what one customer has. This module only counts: the configuration sets the limits, the session
// enforces them.

#include <stdint.h>

#include "util/address.h"
#include "util/macro.h"

typedef struct Admission Admission;

// Names a site as long as it has a session. 0: none.
typedef uint32_t SiteId;

typedef struct Site {
    // The IPv4 address, or the first half of the IPv6 address.
    uint64_t prefix;
    uint32_t sessions;   // accepted or not
    uint32_t handshakes; // sessions that are not accepted yet
    uint32_t records;
    bool v6;
} Site;

int admission_new(Admission **ret);                 // 0 or -ENOMEM
size_t admission_bytes(const Admission *admission); // memory in use
Admission *admission_free(Admission *admission);
DEFINE_CLEANUP_FUNC(Admission, admission_free)

// Returns a copy of the counters of that address, all zero if it has no session.
Site admission_look(const Admission *admission, const IpAddress *address);

// Counts one more session, which begins with its handshake. 0 or -ENOMEM.
int admission_enter(Admission *admission, const IpAddress *address, SiteId *ret);
// The counters, for the caller to change. Valid until the next admission_enter() or
// admission_leave().
Site *admission_site(Admission *admission, SiteId site);
// The session ends. The caller has counted down its handshake and its records before.
void admission_leave(Admission *admission, SiteId site);
