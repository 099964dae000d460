// SPDX-License-Identifier: MIT
#pragma once

// What both daemons share: command line, loop, signals, notifications to systemd, the bus.

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

// A running daemon.
typedef struct Daemon Daemon;

typedef struct DaemonOptions {
    char *config_path; // owned
    bool config_given; // --config was given, so the file must exist
    bool user;         // use the session bus and the user's own files
    Daemon *daemon;    // the daemon that has these options; outlives the object of `start`
} DaemonOptions;

// One of the daemons. Its functions get the object that `start` has made as `daemon`.
typedef struct DaemonOps {
    const char *name;
    const char *help;
    // 0, or a negative errno that has been logged. `free` gets *ret, which may be set in both
    // cases.
    int (*start)(const DaemonOptions *options, sd_event *event, void **ret);
    // Only checks the configuration. 0, or a negative errno that has been logged.
    int (*check)(const DaemonOptions *options);
    // Loads the configuration again and applies it if it has no errors. 0, or a negative errno that
    // has been logged.
    int (*reload)(const DaemonOptions *options, void *daemon);
    // For how long a thread of the daemon has not answered, in µs. 0: all have. NULL: it has no
    // threads.
    uint64_t (*silence)(void *daemon, uint64_t now);
    void (*free)(void *daemon);
} DaemonOps;

// All of main(): reads argv, opens the log, makes the loop, starts the daemon, tells systemd, runs
// the loop. SIGTERM and SIGINT end the loop, SIGPIPE is ignored. Feeds systemd's watchdog and
// raises the limit of file descriptors to the hard limit. Returns the exit status: 0, 1: something
// failed, 2: wrong usage, 78 (EX_CONFIG): the configuration is wrong; the units do not restart the
// daemon then.
int daemon_main(int argc, char *argv[], const DaemonOps *ops);

// Loads the configuration again, as SIGHUP does. 0, or -errno and *ret_reason is what was logged
// about it, in lines of UTF-8. The caller frees it. NULL: out of memory.
int daemon_reload(Daemon *daemon, char **ret_reason);

// Opens the system bus or the user's bus. Logs errors. 0 or -errno.
int daemon_bus_open(sd_event *event, bool user, sd_bus **ret);
// Requests the name; call it when all vtables are in place. Logs errors. 0 or -errno; -EEXIST:
// another process owns it.
int daemon_bus_own(sd_bus *bus, const char *name);

// Enters the sandbox (daemon/sandbox.h). Call it when sockets, bus and state are open, before any
// thread starts. Logs errors. 0 or -errno.
int daemon_confine(const char *const writable[], size_t n);

// Logs that the daemon cannot start, for an error that was not logged yet. Returns r.
int daemon_fail(int r);

// Logs why the configuration could not be used, and tells systemd if the daemon is starting.
// Returns the error. A missing file at the default path is no error: returns 0.
int daemon_config_result(const DaemonOptions *options, int r);
