// SPDX-License-Identifier: MIT
#pragma once

// What every verb gets: the options of the command line, what the terminal can show, and the bus.

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

// The exit status of p2pctl (p2pctl.1). A signal that ends a download gives 128 + its number.
typedef enum ExitStatus {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NOTHING = 3,     // nothing found
    STATUS_UNAVAILABLE = 4, // not joined, or no daemon
} ExitStatus;

enum {
    ROOT_TYPED_MIN = 4, // hex digits that --root takes, if they fit one file only
};

// What `download` takes besides names; NULL, 0 and false where not given.
typedef struct DownloadRequest {
    const char *output;
    const char *root; // the first digits of it, at least ROOT_TYPED_MIN
    const char *type;
    const char *address;
    uint64_t size; // bytes; counts only if size_set, for a file may be empty
    uint16_t port;
    bool size_set;
    bool force;
    bool no_wait;
} DownloadRequest;

// What `search` takes besides words.
typedef struct SearchRequest {
    const char *type;            // NULL: any
    uint64_t min_size, max_size; // bytes; the second counts only if max_set
    uint32_t limit;              // files; 0: as many as the daemon thinks
    bool max_set;
    bool exact; // the name as it is, not its words
} SearchRequest;

typedef struct Ctl {
    const char *verb; // as typed
    const char *host; // -H, NULL = this host
    bool user;        // the session bus
    bool help;        // print that instead of doing anything
    bool version;     // likewise
    bool json;
    bool legend;
    bool colour;       // stdout takes escape sequences, and a bullet
    bool colour_error; // the same of stderr
    bool utf8;         // the terminal shows more than ASCII
    DownloadRequest download;
    SearchRequest search;
    bool fix;     // of share add
    sd_bus *bus;  // owned; NULL until ctl_connect()
    pid_t agent;  // that asks for passwords on this terminal; 0: none
    bool may_ask; // it, or that of the desktop, was got ready
} Ctl;

// One of the two daemons.
typedef struct Service {
    const char *program; // and the name of its unit
    const char *bus_name;
} Service;

extern const Service SERVICE_PEER;
extern const Service SERVICE_FT;
