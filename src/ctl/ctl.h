// SPDX-License-Identifier: MIT
#pragma once

// What every verb gets: the options of the command line, the abilities of the terminal, and the
// bus.

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

// The exit status of p2pctl (p2pctl.1). After a signal, `download` exits with 128 + its number.
typedef enum ExitStatus {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NOTHING = 3,     // no such file, transfer or share
    STATUS_UNAVAILABLE = 4, // the peer has not joined, or a daemon is not running
} ExitStatus;

enum {
    ROOT_TYPED_MIN = 4, // digits of a root that --root needs at least
};

// What `download` was told by options. NULL, 0 and false mean that an option was not given.
typedef struct DownloadRequest {
    const char *output;
    const char *root; // the first digits, ROOT_TYPED_MIN of them or more
    const char *type;
    const char *address;
    uint64_t size; // bytes; only valid with size_set, since a file may be empty
    uint16_t port;
    bool size_set;
    bool force;
    bool no_wait;
} DownloadRequest;

// What `search` was told by options.
typedef struct SearchRequest {
    const char *type;            // NULL: every type
    uint64_t min_size, max_size; // bytes; max_size is only valid with max_set
    uint32_t limit;              // files; 0: the default of the daemon
    bool max_set;
    bool exact; // search for this exact name, not for its words
} SearchRequest;

typedef struct Ctl {
    const char *verb; // as typed; for messages
    const char *host; // of -H; NULL: this host
    bool user;        // use the session bus
    bool help;
    bool version;
    bool json;
    bool legend;
    bool colour;       // stdout shows escape sequences and a bullet
    bool colour_error; // stderr does, too
    bool utf8;         // the terminal shows more than ASCII
    DownloadRequest download;
    SearchRequest search;
    bool fix;     // of `share add`
    sd_bus *bus;  // owned; NULL until ctl_connect()
    pid_t agent;  // asks for passwords on this terminal; 0: none
    bool may_ask; // ctl_may_ask() has prepared for a password
} Ctl;

// One of the two daemons.
typedef struct Service {
    const char *program; // also the name of its unit
    const char *bus_name;
} Service;

extern const Service SERVICE_PEER;
extern const Service SERVICE_FT;
