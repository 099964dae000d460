// SPDX-License-Identifier: MIT
#pragma once

// Finds out why p2p-peer cannot read what the user wants to share. Compares what the daemon says
// (Examine) with what its user can read outside the sandbox, and with what root sees.

#include "ctl/ctl.h"

#define PEER_USER "p2p-peer"

typedef enum Cause {
    CAUSE_NONE,        // it can read it
    CAUSE_NOT_THERE,   // ENOENT, even for root
    CAUSE_NOT_MOUNTED, // /etc/fstab has a file system for the component, but it is not mounted
    CAUSE_KIND,        // neither a file nor a directory
    CAUSE_PASS,        // the component is a directory, and its permissions do not let p2p-peer pass
    CAUSE_READ,        // the permissions of the path itself do not let p2p-peer read it
    CAUSE_SANDBOX,     // its user could read it, but the sandbox of the service hides it
    CAUSE_OTHER,       // see .error
} Cause;

typedef struct Diagnosis {
    Cause cause;
    char *component; // the part of the path that is the cause; owned; NULL with CAUSE_NONE
    int error;       // positive errno of CAUSE_OTHER
} Diagnosis;
void diagnosis_clear(Diagnosis *diagnosis);

// The user of p2p-peer. 0; -ENXIO: there is none, which has been printed with the command to create
// it.
int peer_user_find(uid_t *ret);

// Checks what this process sees at that path: CAUSE_NONE, _NOT_THERE, _NOT_MOUNTED, _KIND or
// _OTHER. 0 or -errno.
int diagnose_place(const char *path, Diagnosis *ret);

// Checks what the daemon can do with the path. 0, or -errno with *error set: it does not answer.
int diagnose_access(Ctl *ctl, const char *path, Diagnosis *ret, sd_bus_error *error);

// Counts the files and directories below the path that the user of the daemon may not read, except
// hidden ones. *ret_example is one of them (caller frees; NULL: none). 0 or -errno.
int diagnose_content(const Ctl *ctl, const char *path, size_t *ret_unreadable, char **ret_example);

// Prints the cause and how to fix it on stderr, with the p2pctl command that fixes it, if there is
// one.
void diagnosis_print(const Ctl *ctl, const Diagnosis *diagnosis, const char *path);
