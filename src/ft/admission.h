// SPDX-License-Identifier: MIT
#pragma once

// Who has how many sessions and records: counted per site, an IPv4 address or a /64 of IPv6, because that is what one
// customer has. Pure counting; which numbers are too many is the configuration's, and to say no is the session's.

#include <stdint.h>

#include "util/address.h"
#include "util/macro.h"

typedef struct Admission Admission;

// One site, as long as it has a session; 0: none.
typedef uint32_t SiteId;

typedef struct Site {
    uint64_t prefix;     // the address, or the first half of it
    uint32_t sessions;   // accepted or not
    uint32_t handshakes; // of these, not accepted yet
    uint32_t records;
    bool v6;
} Site;

int admission_new(Admission **ret);                 // 0 or -ENOMEM
size_t admission_bytes(const Admission *admission); // of memory that it takes
Admission *admission_free(Admission *admission);
DEFINE_CLEANUP_FUNC(Admission, admission_free)

// The counters of that address; zeros if nobody of there has a session. A copy.
Site admission_look(const Admission *admission, const IpAddress *address);

// One more session, which begins with its handshake. 0 or -ENOMEM.
int admission_enter(Admission *admission, const IpAddress *address, SiteId *ret);
// Its counters, to be changed; valid until the next admission_enter() or admission_leave().
Site *admission_site(Admission *admission, SiteId site);
// The session ends; its handshake and its records have been counted down before.
void admission_leave(Admission *admission, SiteId site);
