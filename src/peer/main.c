// SPDX-License-Identifier: MIT

#include <string.h>

#include "bus/names.h"
#include "daemon/daemon.h"
#include "peer/peer-bus.h"
#include "peer/peer.h"
#include "util/log.h"

static const char help[] =
    "p2p-peer [OPTION...]\n\n"
    "Shares files with other peers, and fetches theirs on behalf of p2pctl.\n\n"
    "  -c --config FILE  read FILE instead of " CONFIG_PATH "\n"
    "     --user         be on the user's bus and read ~/.config/p2pshare.ini\n"
    "  -v --verbose      log more\n"
    "  -h --help         show this\n"
    "     --version      show the version\n\n"
    "See p2p-peer(8), p2pshare.ini(5), p2pctl(1).\n";

typedef struct Program {
    DaemonOptions options;
    PeerConfig config; // until the peer has it
    Peer *peer;
} Program;

static int load(Program *program) {
    return daemon_config_result(
        &program->options,
        peer_config_load(program->options.config_path, program->options.user, &program->config));
}

static void reload(void *userdata) {
    Program *program = userdata;

    if (load(program) < 0)
        log_error("The old configuration stays in force");
    else
        peer_reconfigure(program->peer, &program->config);
}

static int run(Program *program) {
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    const DaemonReload on_reload = {.handler = reload, .userdata = program};
    Peer *peer;
    int r;

    r = load(program);
    if (r < 0)
        return r;
    r = daemon_event_new(&event);
    if (r < 0)
        return r;
    r = peer_new(event, &program->config, &program->peer);
    if (r < 0)
        return r;
    peer = program->peer;
    r = peer_listen(peer);
    if (r < 0)
        return r;
    r = daemon_bus_open(event, program->options.user, &peer->bus);
    if (r < 0)
        return r;
    // Without its bus nobody can control it: let systemd start it again.
    r = sd_bus_set_exit_on_disconnect(peer->bus, true);
    if (r < 0)
        return r;
    r = peer_bus_add(peer);
    if (r < 0)
        return r;
    r = daemon_bus_own(peer->bus, BUS_PEER_NAME);
    if (r < 0)
        return r;
    r = daemon_on_reload(event, &on_reload);
    if (r < 0)
        return r;
    r = peer_start(peer);
    if (r < 0)
        return r;
    return daemon_run(event);
}

int main(int argc, char *argv[]) {
    Program program = {};
    int r;

    r = daemon_parse_argv(argc, argv, "p2p-peer", help, &program.options);
    if (r == 0) {
        r = run(&program);
        if (r < 0)
            log_debug("Ending: %s", strerror(-r));
        r = r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    } else
        r = r > 0 ? EXIT_SUCCESS : DAEMON_EXIT_USAGE;
    peer_free(program.peer);
    peer_config_done(&program.config);
    daemon_options_done(&program.options);
    return r;
}
