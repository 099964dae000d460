// SPDX-License-Identifier: MIT
#pragma once

// What both daemons do alike: command line, loop, signals, systemd's notifications, the bus.

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

typedef struct DaemonOptions {
    char *config_path; // owned
    bool config_given; // --config: the file must exist then
    bool user;         // the session bus, the user's own files
} DaemonOptions;

// All of main(): reads argv, opens the log as `name`, calls `run`, which logs why it failed. Returns the
// exit status: 0; 1 if `run` failed; 2 if the usage was wrong (and said so).
int daemon_main(int argc, char *argv[], const char *name, const char *help,
                int (*run)(const DaemonOptions *options));

// The default loop with SIGTERM and SIGINT ending it and systemd's watchdog fed. SIGPIPE is ignored and
// file descriptors are raised to the hard limit. 0 or -errno.
int daemon_event_new(sd_event **ret);

// Calls the handler on SIGHUP, between RELOADING=1 and READY=1. 0 or -errno.
typedef void (*ReloadHandler)(void *userdata);
typedef struct DaemonReload {
    ReloadHandler handler;
    void *userdata;
} DaemonReload;
int daemon_on_reload(sd_event *event, const DaemonReload *reload); // borrowed while the loop lives

// The system bus or the user's. Logs why not. 0 or -errno.
int daemon_bus_open(sd_event *event, bool user, sd_bus **ret);
// Takes the name after all vtables are there. Logs why not; -EEXIST: another one has it.
int daemon_bus_own(sd_bus *bus, const char *name);

// READY=1, the loop, STOPPING=1. Returns what the loop returns.
int daemon_run(sd_event *event);

// Logs that the daemon cannot start, for what has not said so itself; returns r.
int daemon_fail(int r);

// Logs why the configuration could not be used and returns the error. That there is no file at the
// default path is none: returns 0.
int daemon_config_result(const DaemonOptions *options, int r);
