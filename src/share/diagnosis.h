// SPDX-License-Identifier: MIT
#pragma once

// Why p2p-peer cannot read what is to be shared: what the daemon itself says (Examine), against what its user could do
// without the service's sandbox, and what is there for root.

#include "ctl/ctl.h"

#define PEER_USER "p2p-peer"

typedef enum Cause {
    CAUSE_NONE,        // it can
    CAUSE_NOT_THERE,   // ENOENT for everybody
    CAUSE_NOT_MOUNTED, // /etc/fstab has a file system for the component, and nothing is mounted there
    CAUSE_KIND,        // neither a file nor a directory
    CAUSE_PASS,        // modes or a list of the component, a directory, do not let it pass
    CAUSE_READ,        // those of the path itself do not let it read
    CAUSE_SANDBOX,     // its user could, but the service hides it
    CAUSE_OTHER,       // .error
} Cause;

typedef struct Diagnosis {
    Cause cause;
    char *component; // the part of the path that it is about; owned, NULL with CAUSE_NONE
    int error;       // positive errno, with CAUSE_OTHER
} Diagnosis;
void diagnosis_clear(Diagnosis *diagnosis);

// Its user. 0; -ENXIO: there is none, which has been said, and what makes it.
int peer_user_find(uid_t *ret);

// What there is at that path, as this process sees it: CAUSE_NONE, _NOT_THERE, _NOT_MOUNTED, _KIND or _OTHER. 0 or -errno.
int diagnose_place(const char *path, Diagnosis *ret);

// What the daemon can do with it. 0; or -errno with *error set: the daemon cannot be asked.
int diagnose_access(Ctl *ctl, const char *path, Diagnosis *ret, sd_bus_error *error);

// How many files and directories below a path that is in reach its user may not read, hidden ones aside, and one of them
// (owned by the caller; NULL: none). 0 or -errno.
int diagnose_content(const Ctl *ctl, const char *path, size_t *ret_unreadable, char **ret_example);

// Says the cause and the exact fix, to stderr; what p2pctl itself can do about it, too.
void diagnosis_print(const Ctl *ctl, const Diagnosis *diagnosis, const char *path);
