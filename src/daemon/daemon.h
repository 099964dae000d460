// SPDX-License-Identifier: MIT
#pragma once

// What both daemons do alike: command line, loop, signals, systemd's notifications, the bus.

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

// A daemon while it runs.
typedef struct Daemon Daemon;

typedef struct DaemonOptions {
    char *config_path; // owned
    bool config_given; // --config: the file must exist then
    bool user;         // the session bus, the user's own files
    Daemon *daemon;    // whose they are; lives as long as what `start` makes
} DaemonOptions;

// One of the daemons. What its functions get as `daemon` is what `start` has made.
typedef struct DaemonOps {
    const char *name;
    const char *help;
    // 0, or a negative errno that has been logged. *ret may be set either way; `free` gets it.
    int (*start)(const DaemonOptions *options, sd_event *event, void **ret);
    // Only reads the configuration. 0, or a negative errno that has been logged.
    int (*check)(const DaemonOptions *options);
    // The same, and takes it over where all is right.
    int (*reload)(const DaemonOptions *options, void *daemon);
    // For how long a thread of its own has not answered, in µs; 0: all have. NULL: it has none.
    uint64_t (*silence)(void *daemon, uint64_t now);
    void (*free)(void *daemon);
} DaemonOps;

// All of main(): reads argv, opens the log, makes the loop (SIGTERM and SIGINT end it, SIGPIPE is ignored,
// systemd's watchdog is fed, file descriptors are raised to the hard limit), starts the daemon, tells
// systemd, runs the loop. Returns the exit status: 0; 1 if something failed; 2 if the usage was wrong;
// 78 (EX_CONFIG) if it did not start because of its configuration, which the units do not restart.
int daemon_main(int argc, char *argv[], const DaemonOps *ops);

// Reads the configuration again, as SIGHUP does. 0; or -errno, and *ret_reason is
// what the log says about that, in lines of UTF-8 (freed by the caller; NULL: no memory).
int daemon_reload(Daemon *daemon, char **ret_reason);

// The system bus or the user's. Logs why not. 0 or -errno.
int daemon_bus_open(sd_event *event, bool user, sd_bus **ret);
// Takes the name after all vtables are there. Logs why not; -EEXIST: another one has it.
int daemon_bus_own(sd_bus *bus, const char *name);

// Gives up what is not needed any more (daemon/sandbox.h): sockets, bus and state are open, no thread runs yet.
// Logs why not. 0 or -errno.
int daemon_confine(const char *const writable[], size_t n);

// Logs that the daemon cannot start, for what has not said so itself; returns r.
int daemon_fail(int r);

// Logs why the configuration could not be used and returns the error; where the daemon is only starting, systemd is told.
// That there is no file at the default path is none: returns 0.
int daemon_config_result(const DaemonOptions *options, int r);
