// SPDX-License-Identifier: MIT

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
    const DaemonOptions *options;
    Peer *peer;
} Program;

static int load(const Program *program, PeerConfig *config) {
    int r =
        daemon_config_result(program->options, peer_config_load(program->options->config_path,
                                                                program->options->user, config));

    if (r < 0)
        peer_config_done(config);
    return r;
}

static void reload(void *userdata) {
    const Program *program = userdata;
    PeerConfig config = {};

    if (load(program, &config) < 0)
        log_error("The old configuration stays in force");
    else
        peer_reconfigure(program->peer, &config);
}

static int offer_on_bus(const Program *program, sd_event *event) {
    Peer *peer = program->peer;
    int r;

    r = daemon_bus_open(event, program->options->user, &peer->bus);
    if (r < 0)
        return r;
    // Without its bus nobody can control it: let systemd start it again.
    r = sd_bus_set_exit_on_disconnect(peer->bus, true);
    if (r >= 0)
        r = peer_bus_add(peer);
    return r < 0 ? daemon_fail(r) : daemon_bus_own(peer->bus, BUS_PEER_NAME);
}

static int start(Program *program, sd_event *event) {
    PeerConfig config = {};
    int r;

    r = load(program, &config);
    if (r < 0)
        return r;
    r = peer_new(event, &config, &program->peer);
    if (r < 0)
        return daemon_fail(r);
    r = peer_listen(program->peer);
    if (r >= 0)
        r = offer_on_bus(program, event);
    if (r < 0)
        return r;
    r = peer_start(program->peer);
    return r < 0 ? daemon_fail(r) : 0;
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
    peer_free(program.peer);
    return r;
}

int main(int argc, char *argv[]) {
    return daemon_main(argc, argv, "p2p-peer", help, run);
}
