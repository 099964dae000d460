// SPDX-License-Identifier: MIT
#pragma once

// Who may change something: root, the daemon's own user, the owner of the object, and users that
// polkit allows. If polkit is missing, fails or does not answer, only the first three may. On a
// user's bus, polkit is not asked.
//
//   handler of the vtable ─► polkit_ask() ─► CheckAuthorization ─► `allowed`, or an error
//                                 └──────────────────────────────► `allowed`, at once
//
// dbus/org.p2pshare.policy describes the actions. polkit answers questions about other users only
// to root and to the users that this file names.

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define POLKIT_DOWNLOAD "org.p2pshare.download"
#define POLKIT_MANAGE   "org.p2pshare.manage"
#define POLKIT_SHARE    "org.p2pshare.share"

enum {
    // Open questions, each with its call and the call's descriptors: per user, and in all.
    POLKIT_QUESTIONS_OF_USER = 16,
    POLKIT_QUESTIONS_MAX = 256,
};

#define POLKIT_NOBODY ((uid_t)UINT32_MAX)

// Executes the call and answers it, as a handler of a vtable does. The object of the call may have
// gone while polkit was asked, so look it up from the call.
typedef int (*PolkitAllowed)(sd_bus_message *call, uid_t caller, void *userdata,
                             sd_bus_error *error);

typedef struct PolkitQuestion {
    const char *action;    // POLKIT_*
    uid_t owner;           // this user may do it as well; POLKIT_NOBODY
    PolkitAllowed allowed; // called once or never
    void *userdata;        // must outlive the Polkit
} PolkitQuestion;

typedef struct Polkit Polkit;

// For calls on that connection. 0 or -ENOMEM.
int polkit_new(sd_bus *bus, Polkit **ret);
// Drops open questions without answering their callers.
Polkit *polkit_free(Polkit *polkit);
DEFINE_CLEANUP_FUNC(Polkit, polkit_free)

// A vtable handler returns its result. The vtable entry needs SD_BUS_VTABLE_UNPRIVILEGED. Answers
// now or later. If the caller leaves the bus, its question ends.
int polkit_ask(Polkit *polkit, sd_bus_message *call, const PolkitQuestion *question,
               sd_bus_error *error);

// A method that polkit guards. One table for each interface says which action a method takes.
typedef struct PolkitMethod {
    const char *member; // NULL ends a table
    const char *action; // POLKIT_*
    PolkitAllowed allowed;
} PolkitMethod;

// polkit_ask() for the method that is called, with its action from the table. `owner` as in
// PolkitQuestion. -EOPNOTSUPP: the table does not have the method.
int polkit_ask_method(Polkit *polkit, sd_bus_message *call, const PolkitMethod methods[],
                      uid_t owner, void *userdata, sd_bus_error *error);
