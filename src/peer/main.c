// SPDX-License-Identifier: MIT

#include "bus/names.h"
#include "daemon/daemon.h"
#include "peer/bus/peer-bus.h"
#include "peer/peer.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/macro.h"

static const char help[] =
    "p2p-peer [OPTION...]\n\n"
    "Shares files with other peers, and fetches theirs on behalf of p2pctl.\n\n"
    "  -c --config FILE  read FILE instead of " CONFIG_PATH "\n"
    "     --check-config say what is wrong in the configuration, and end\n"
    "     --user         be on the user's bus and read ~/.config/p2pshare.ini\n"
    "  -v --verbose      log more\n"
    "  -h --help         show this\n"
    "     --version      show the version\n\n"
    "See p2p-peer(8), p2pshare.ini(5), p2pctl(1).\n";

// The peer, and the part that offers it on D-Bus.
typedef struct PeerDaemon {
    Peer *peer;
    PeerBus *bus;
} PeerDaemon;

static int peer_main_load(const DaemonOptions *options, PeerConfig *config) {
    int r = daemon_config_result(options,
                                 peer_config_load(options->config_path, options->user, config));

    if (r < 0)
        peer_config_done(config);
    return r;
}

static int peer_main_check(const DaemonOptions *options) {
    PeerConfig config = {};
    int r;

    r = peer_config_load(options->config_path, options->user, &config);
    if (r != -EINVAL) // the log has each error with file and line
        r = daemon_config_result(options, r);
    if (r >= 0 && !config.ft)
        log_notice("note: [peer] ft is not set, so p2p-peer stays idle");
    peer_config_done(&config);
    return r;
}

static int peer_main_reload(const DaemonOptions *options, void *userdata) {
    const PeerDaemon *daemon = userdata;
    PeerConfig config = {};
    int r;

    r = peer_main_load(options, &config);
    if (r >= 0)
        return peer_reconfigure(daemon->peer, &config);
    log_error("The old configuration stays in force");
    return r;
}

// Without the bus nobody can control the peer, so end it: systemd starts it again.
static int peer_main_on_disconnected(sd_bus_message *message _unused_, void *userdata _unused_,
                                     sd_bus_error *ret_error _unused_) {
    log_event(LOG_ERR, &(LogFields){.id = EVENT_NO_BUS},
              "The bus has closed the connection, and nobody can ask for anything: ending");
    return 0;
}

static int peer_main_offer_on_bus(const DaemonOptions *options, PeerDaemon *daemon) {
    _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
    int r;

    r = daemon_bus_open(daemon->peer->event, options->user, &bus);
    if (r < 0)
        return r;
    r = sd_bus_set_exit_on_disconnect(bus, true);
    if (r >= 0)
        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", peer_main_on_disconnected, NULL);
    if (r >= 0)
        r = peer_bus_new(daemon->peer, options->daemon, bus, &daemon->bus);
    return r < 0 ? daemon_fail(r) : daemon_bus_own(bus, BUS_PEER_NAME);
}

static int peer_main_start(const DaemonOptions *options, sd_event *event, void **ret) {
    PeerConfig config = {};
    PeerDaemon *daemon;
    int r;

    r = peer_main_load(options, &config);
    if (r < 0)
        return r;
    daemon = calloc(1, sizeof(*daemon));
    if (!daemon) {
        peer_config_done(&config);
        return daemon_fail(-ENOMEM);
    }
    *ret = daemon;
    r = peer_new(event, &config, &daemon->peer);
    if (r < 0)
        return daemon_fail(r);
    r = peer_listen(daemon->peer);
    if (r >= 0)
        r = peer_main_offer_on_bus(options, daemon);
    if (r >= 0)
        r = peer_confine(daemon->peer);
    if (r < 0)
        return r;
    r = peer_start(daemon->peer);
    return r < 0 ? daemon_fail(r) : 0;
}

static uint64_t peer_main_silence(void *userdata, uint64_t now) {
    const PeerDaemon *daemon = userdata;

    return peer_silence(daemon->peer, now);
}

static void peer_main_stop(void *userdata) {
    PeerDaemon *daemon = userdata;

    if (!daemon)
        return;
    // Free the peer first: it tells the bus about the transfers that it ends.
    peer_free(daemon->peer);
    peer_bus_free(daemon->bus);
    free(daemon);
}

int main(int argc, char *argv[]) {
    static const DaemonOps ops = {
        .name = "p2p-peer",
        .help = help,
        .start = peer_main_start,
        .check = peer_main_check,
        .reload = peer_main_reload,
        .silence = peer_main_silence,
        .free = peer_main_stop,
    };

    return daemon_main(argc, argv, &ops);
}
