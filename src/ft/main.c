// SPDX-License-Identifier: MIT

#include "bus/names.h"
#include "daemon/daemon.h"
#include "ft/ft-bus.h"
#include "ft/ft.h"
#include "util/log.h"

static const char help[] =
    "p2p-ft [OPTION...]\n\n"
    "The FileTracker: keeps who shares which file, and answers searches by name.\n\n"
    "  -c --config FILE  read FILE instead of " CONFIG_PATH "\n"
    "     --user         be on the user's bus and read ~/.config/p2pshare.ini\n"
    "  -v --verbose      log more\n"
    "  -h --help         show this\n"
    "     --version      show the version\n\n"
    "See p2p-ft(8), p2pshare.ini(5).\n";

typedef struct Program {
    const DaemonOptions *options;
    Ft *ft;
} Program;

static int load(const Program *program, FtConfig *config) {
    return daemon_config_result(program->options,
                                ft_config_load(program->options->config_path, config));
}

static void reload(void *userdata) {
    const Program *program = userdata;
    FtConfig config;

    if (load(program, &config) < 0)
        log_error("The old configuration stays in force");
    else
        ft_reconfigure(program->ft, &config);
}

// FT does its work without a bus, or without its name there; only `p2pctl ft` misses it then.
static void offer_on_bus(const Program *program, sd_event *event) {
    Ft *ft = program->ft;

    if (daemon_bus_open(event, program->options->user, &ft->bus) < 0 || ft_bus_add(ft) < 0 ||
        daemon_bus_own(ft->bus, BUS_FT_NAME) < 0)
        log_warning("Going on without status on D-Bus (p2pctl ft)");
}

static int start(Program *program, sd_event *event) {
    FtConfig config;
    int r;

    r = load(program, &config);
    if (r < 0)
        return r;
    r = ft_new(event, &config, &program->ft);
    if (r < 0)
        return daemon_fail(r);
    r = ft_listen(program->ft);
    if (r < 0)
        return r;
    offer_on_bus(program, event);
    return 0;
}

static int run(const DaemonOptions *options) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    Program program = {.options = options};
    const DaemonReload on_reload = {.handler = reload, .userdata = &program};
    int r;

    r = daemon_event_new(&event);
    if (r < 0)
        return daemon_fail(r);
    r = start(&program, event);
    if (r >= 0) {
        r = daemon_on_reload(event, &on_reload);
        r = r < 0 ? daemon_fail(r) : daemon_run(event);
    }
    ft_free(program.ft);
    return r;
}

int main(int argc, char *argv[]) {
    return daemon_main(argc, argv, "p2p-ft", help, run);
}
