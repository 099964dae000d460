// SPDX-License-Identifier: MIT

#include "daemon/daemon.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "config/config.h"
#include "daemon/sandbox.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/text.h"
#include "util/time-util.h"
#include "util/timer.h"

enum {
    EXIT_USAGE = 2,
    // A thread may be silent for so many times WatchdogSec=, the control loop only once.
    THREAD_WATCHDOGS = 4,
};

// 0: go on. 1: --help or --version was served. -EINVAL: wrong usage.
static int daemon_parse_argv(int argc, char *argv[], const DaemonOps *ops, DaemonOptions *options,
                             bool *ret_check) {
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'C'},
        {"user", no_argument, NULL, 'u'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {},
    };
    const char *name = ops->name;
    int c;

    argv[0] = (char *)name; // getopt_long() begins its messages with it
    while ((c = getopt_long(argc, argv, "c:vh", long_options, NULL)) >= 0)
        switch (c) {
        case 'c':
            free(options->config_path);
            options->config_path = strdup(optarg);
            if (!options->config_path)
                return -ENOMEM;
            options->config_given = true;
            break;
        case 'C':
            *ret_check = true;
            break;
        case 'u':
            options->user = true;
            break;
        case 'v':
            log_set_max_level(LOG_DEBUG);
            break;
        case 'h':
            printf("%s", ops->help);
            return 1;
        case 'V':
            printf("%s %s\n", name, VERSION);
            return 1;
        default:
            fprintf(stderr, "Try: %s --help\n", name);
            return -EINVAL;
        }
    if (optind < argc) {
        fprintf(stderr, "%s: takes no argument \"%s\"\nTry: %s --help\n", name, argv[optind], name);
        return -EINVAL;
    }
    return options->config_path ? 0 : config_default_path(options->user, &options->config_path);
}

int daemon_fail(int r) {
    log_error("Cannot start: %s", strerror(-r));
    return r;
}

static void daemon_raise_fd_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int daemon_event_new(sd_event **ret) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    sigset_t mask;
    int r;

    // Block the signals before any thread starts: all threads inherit this, and the loop receives
    // the signals.
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that grows too large is only an error of that download

    r = sd_event_default(&event);
    if (r < 0)
        return r;
    r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
    if (r < 0)
        return r;
    r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(event);
    return 0;
}

struct Daemon {
    const DaemonOps *ops;
    DaemonOptions options;
    void *object; // from ops->start
    sd_event_source *watchdog;
    uint64_t watchdog_usec; // how often systemd expects a sign of life
    bool stuck;             // has been logged
    bool config_wrong;      // the reason why it does not start
};

int daemon_reload(Daemon *daemon, char **ret_reason) {
    _cleanup_free_ char *reason = NULL;
    int r;

    // Type=notify-reload (systemd >= 253) waits for READY=1 with a later time stamp.
    (void)sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, time_monotonic());
    log_keep_errors(&reason);
    r = daemon->ops->reload(&daemon->options, daemon->object);
    log_keep_errors(NULL);
    (void)sd_notify(false, "READY=1");
    *ret_reason = reason ? text_valid(reason) : NULL;
    return r;
}

static int daemon_on_sighup(sd_event_source *source _unused_,
                            const struct signalfd_siginfo *si _unused_, void *userdata) {
    _cleanup_free_ char *reason = NULL;

    (void)daemon_reload(userdata, &reason); // the error has been logged
    return 0;
}

// Running this is the control loop's sign of life; it asks the threads for theirs. A thread that
// waits for a sleeping disk is not stuck yet.
static bool daemon_is_alive(Daemon *daemon) {
    uint64_t now = time_monotonic(), silence = 0;

    if (daemon->object && daemon->ops->silence)
        silence = daemon->ops->silence(daemon->object, now);
    if (silence < THREAD_WATCHDOGS * daemon->watchdog_usec) {
        daemon->stuck = false;
        return true;
    }
    if (!daemon->stuck)
        log_event(LOG_ERR, &(LogFields){.id = EVENT_STUCK},
                  "A thread has not answered for %" PRIu64
                  " s; systemd's watchdog will end this process",
                  silence / USEC_PER_SEC);
    daemon->stuck = true;
    return false;
}

static int daemon_on_watchdog(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Daemon *daemon = userdata;

    if (daemon_is_alive(daemon))
        (void)sd_notify(false, "WATCHDOG=1");
    (void)timer_arm(source, daemon->watchdog_usec / 3);
    return 0;
}

// Feeds WatchdogSec= of the unit.
static int daemon_start_watchdog(Daemon *daemon, sd_event *event) {
    int r = sd_watchdog_enabled(true, &daemon->watchdog_usec);

    if (r <= 0)
        return r;
    r = timer_new(event, 0, daemon_on_watchdog, daemon, &daemon->watchdog);
    return r < 0 ? r : timer_arm(daemon->watchdog, 0);
}

static int daemon_run(Daemon *daemon) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    int r;

    daemon_raise_fd_limit();
    r = daemon_event_new(&event);
    if (r >= 0)
        r = sd_event_add_signal(event, NULL, SIGHUP, daemon_on_sighup, daemon);
    if (r >= 0)
        r = daemon_start_watchdog(daemon, event);
    if (r < 0)
        return daemon_fail(r);
    r = daemon->ops->start(&daemon->options, event, &daemon->object);
    if (r >= 0) {
        (void)sd_notify(false, "READY=1");
        r = sd_event_loop(event);
        (void)sd_notify(false, "STOPPING=1");
    }
    daemon->watchdog = sd_event_source_disable_unref(daemon->watchdog);
    if (daemon->object)
        daemon->ops->free(daemon->object);
    return r;
}

// Refuses root: strangers talk to this process, so it must not be able to do everything.
static bool daemon_may_run(const DaemonOps *ops) {
    const char *allowed = getenv("P2PSHARE_ALLOW_ROOT");

    if (geteuid() != 0 || (allowed && strcmp(allowed, "1") == 0))
        return true;
    log_error("Never run this as root. Start the service (systemctl start %s), or use another "
              "user. In a container that has only root, set P2PSHARE_ALLOW_ROOT=1",
              ops->name);
    return false;
}

int daemon_main(int argc, char *argv[], const DaemonOps *ops) {
    Daemon daemon = {.ops = ops, .options.daemon = &daemon};
    bool check = false;
    int r;

    log_open(ops->name);
    r = daemon_parse_argv(argc, argv, ops, &daemon.options, &check);
    if (r == 0 && check)
        r = ops->check(&daemon.options) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    else if (r == 0 && daemon_may_run(ops) && daemon_run(&daemon) == 0)
        r = EXIT_SUCCESS;
    else if (r == 0)
        r = daemon.config_wrong ? EX_CONFIG : EXIT_FAILURE;
    else
        r = r > 0 ? EXIT_SUCCESS : EXIT_USAGE;
    free(daemon.options.config_path);
    return r;
}

int daemon_bus_open(sd_event *event, bool user, sd_bus **ret) {
    _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
    int r;

    r = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
    if (r >= 0)
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) {
        log_event(LOG_ERR, &(LogFields){.id = EVENT_NO_BUS}, "Cannot connect to the %s bus: %s",
                  user ? "user's" : "system", strerror(-r));
        return r;
    }
    *ret = TAKE_PTR(bus);
    return 0;
}

int daemon_bus_own(sd_bus *bus, const char *name) {
    const LogFields no_bus = {.id = EVENT_NO_BUS};
    int r = sd_bus_request_name(bus, name, 0);

    if (r == -EEXIST)
        log_event(LOG_ERR, &no_bus,
                  "The bus name %s is taken: another instance is running on this bus", name);
    else if (r == -EACCES || r == -EPERM)
        log_event(LOG_ERR, &no_bus,
                  "The bus does not let this user own %s: the policy file is missing "
                  "(dbus-1/system.d), or this is not the daemon's user",
                  name);
    else if (r < 0)
        log_event(LOG_ERR, &no_bus, "Cannot take the bus name %s: %s", name, strerror(-r));
    return r;
}

int daemon_confine(const char *const writable[], size_t n) {
    const char *no = getenv("P2PSHARE_NO_SANDBOX");
    int r;

    // For a debugger, or a sanitizer or profiler that writes when the process ends.
    if (no && strcmp(no, "1") == 0)
        return 0;
    r = sandbox_enter(writable, n);
    if (r < 0)
        log_error("Cannot give up privileges: %s", strerror(-r));
    return r;
}

// Shows in `systemctl status` why the daemon ends. The log has the same.
static void daemon_give_up_config(const DaemonOptions *options, int r) {
    if (options->daemon->object)
        return;
    options->daemon->config_wrong = r != -ENOMEM;
    if (r == -EINVAL)
        (void)sd_notifyf(false,
                         "STATUS=The configuration has wrong values; see: p2pctl %sconfig check",
                         options->user ? "--user " : "");
    else
        (void)sd_notifyf(false, "STATUS=Cannot read %s: %s", options->config_path, strerror(-r));
}

int daemon_config_result(const DaemonOptions *options, int r) {
    const LogFields wrong = {.id = EVENT_CONFIG_WRONG, .file = options->config_path};

    if (r >= 0)
        return 0;
    if (r == -ENOENT && !options->config_given) {
        log_notice("%s does not exist; using the defaults", options->config_path);
        return 0;
    }
    if (r == -EINVAL)
        log_event(LOG_ERR, &wrong, "The configuration has wrong values");
    else
        log_event(LOG_ERR, &wrong, "Cannot read %s: %s", options->config_path, strerror(-r));
    daemon_give_up_config(options, r);
    return r;
}
