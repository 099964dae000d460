// SPDX-License-Identifier: MIT
#pragma once

// Who may change something: root, the daemon's own user, whose it is, and whom polkit allows. Where polkit does not
// run, fails or is silent, the first three; on the bus of a user nobody else is asked about.
//
//   handler of the vtable ─► polkit_ask() ─► CheckAuthorization ─► `allowed`, or an error to the caller
//                                 └──────────────────────────────► `allowed`, at once
//
// dbus/org.p2pshare.policy describes the actions. polkit answers questions about others only to root and to the
// users whom that file names.

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define POLKIT_DOWNLOAD "org.p2pshare.download"
#define POLKIT_MANAGE   "org.p2pshare.manage"
#define POLKIT_SHARE    "org.p2pshare.share"

enum {
    // Questions under way, each with its call and the descriptors of that: of one user, and of all.
    POLKIT_QUESTIONS_OF_USER = 16,
    POLKIT_QUESTIONS_MAX = 256,
};

#define POLKIT_NOBODY ((uid_t) -1)

// Carries the call out and answers it, as the handler of a vtable does. Whatever it is about may have gone while polkit
// was asked, so it looks that up from the call.
typedef int (*PolkitAllowed)(sd_bus_message *call, uid_t caller, void *userdata,
                             sd_bus_error *error);

typedef struct PolkitQuestion {
    const char *action;    // POLKIT_*
    uid_t owner;           // may as well; POLKIT_NOBODY
    PolkitAllowed allowed; // called once, or not at all
    void *userdata;        // lives as long as the Polkit
} PolkitQuestion;

typedef struct Polkit Polkit;

// For calls on that connection. 0 or -ENOMEM.
int polkit_new(sd_bus *bus, Polkit **ret);
// Questions under way are dropped, and their callers not answered.
Polkit *polkit_free(Polkit *polkit);
DEFINE_CLEANUP_FUNC(Polkit, polkit_free)

// To be returned from the handler of a vtable, whose entry is SD_BUS_VTABLE_UNPRIVILEGED: answers at once or later. A
// caller that leaves the bus meanwhile takes its question along.
int polkit_ask(Polkit *polkit, sd_bus_message *call, const PolkitQuestion *question,
               sd_bus_error *error);
