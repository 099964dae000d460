// SPDX-License-Identifier: MIT

#include "daemon/daemon.h"
#include "ft/ft-bus.h"
#include "ft/ft-restart.h"
#include "ft/ft.h"
#include "util/log.h"

static const char help[] =
    "p2p-ft [OPTION...]\n\n"
    "The FileTracker: keeps a list of who shares which file, and answers searches.\n\n"
    "  -c --config FILE  read FILE instead of " CONFIG_PATH "\n"
    "     --check-config check the configuration and exit\n"
    "     --user         use the user's bus and ~/.config/p2pshare.ini\n"
    "  -v --verbose      log more\n"
    "  -h --help         show this help\n"
    "     --version      show the version\n\n"
    "See p2p-ft(8), p2pshare.ini(5).\n";

static int ft_main_load(const DaemonOptions *options, FtConfig *config) {
    return daemon_config_result(options, ft_config_load(options->config_path, config));
}

static int ft_main_check(const DaemonOptions *options) {
    FtConfig config = {};
    int r = ft_config_load(options->config_path, &config);

    if (r != -EINVAL) // invalid values have been logged, with file and line
        r = daemon_config_result(options, r);
    ft_config_done(&config);
    return r;
}

static int ft_main_reload(const DaemonOptions *options, void *daemon) {
    FtConfig config = {};
    int r;

    r = ft_main_load(options, &config);
    if (r < 0) {
        log_error("The old configuration stays in force");
        return r;
    }
    ft_reconfigure(daemon, &config);
    return 0;
}

static int ft_main_start(const DaemonOptions *options, sd_event *event, void **ret) {
    _cleanup_(fd_store_done) FdStore fd_store = FD_STORE_NONE;
    FtConfig config = {};
    Ft *ft;
    int r;

    r = ft_main_load(options, &config);
    if (r < 0)
        return r;
    r = ft_new(event, &config, &ft);
    ft_config_done(&config);
    if (r < 0)
        return daemon_fail(r);
    ft->daemon = options->daemon;
    *ret = ft;
    fd_store_take(&ft->config, &fd_store);
    r = ft_listen(ft, fd_store.listen_fds, fd_store.listen_count);
    if (r < 0)
        return r;
    ft_deserialize(ft, &fd_store);
    ft_bus_offer(ft, options->user);
    return daemon_confine(NULL, 0); // FT writes no file
}

static void ft_main_stop(void *daemon) {
    ft_serialize(daemon);
    ft_free(daemon);
}

int main(int argc, char *argv[]) {
    static const DaemonOps ops = {
        .name = "p2p-ft",
        .help = help,
        .start = ft_main_start,
        .check = ft_main_check,
        .reload = ft_main_reload,
        .free = ft_main_stop,
    };

    return daemon_main(argc, argv, &ops);
}
