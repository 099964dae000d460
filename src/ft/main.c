// SPDX-License-Identifier: MIT

#include <string.h>

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
    DaemonOptions options;
    Ft *ft;
} Program;

static void reload(void *userdata) {
    Program *program = userdata;
    FtConfig config;
    int r;

    r = ft_config_load(program->options.config_path, &config);
    if (daemon_config_result(&program->options, r) < 0)
        log_error("The old configuration stays in force");
    else
        ft_reconfigure(program->ft, &config);
}

// FT does its work without a bus; only `p2pctl ft` misses it then.
static int offer_on_bus(Program *program, sd_event *event) {
    int r;

    r = daemon_bus_open(event, program->options.user, &program->ft->bus);
    if (r < 0) {
        log_warning("No status on D-Bus (p2pctl ft)");
        return 0;
    }
    r = ft_bus_add(program->ft);
    if (r < 0)
        return r;
    return daemon_bus_own(program->ft->bus, BUS_FT_NAME);
}

static int run(Program *program) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    const DaemonReload on_reload = {.handler = reload, .userdata = program};
    FtConfig config;
    int r;

    r = ft_config_load(program->options.config_path, &config);
    r = daemon_config_result(&program->options, r);
    if (r < 0)
        return r;
    r = daemon_event_new(&event);
    if (r < 0)
        return r;
    r = ft_new(event, &config, &program->ft);
    if (r < 0)
        return r;
    r = ft_listen(program->ft);
    if (r < 0)
        return r;
    r = offer_on_bus(program, event);
    if (r < 0)
        return r;
    r = daemon_on_reload(event, &on_reload);
    if (r < 0)
        return r;
    return daemon_run(event);
}

int main(int argc, char *argv[]) {
    Program program = {};
    int r;

    r = daemon_parse_argv(argc, argv, "p2p-ft", help, &program.options);
    if (r == 0) {
        r = run(&program);
        if (r < 0)
            log_debug("Ending: %s", strerror(-r));
        r = r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    } else
        r = r > 0 ? EXIT_SUCCESS : DAEMON_EXIT_USAGE;
    ft_free(program.ft);
    daemon_options_done(&program.options);
    return r;
}
