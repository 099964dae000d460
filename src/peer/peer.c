// SPDX-License-Identifier: MIT

#include "peer/peer.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "peer/bus/peer-bus.h"
#include "peer/downloads/download.h"
#include "peer/shares/shares.h"
#include "proto/protocol.h"
#include "util/fs-util.h"
#include "util/log-id.h"
#include "util/log.h"

static const uint64_t STATUS_USEC = USEC_PER_SEC / 2;

static int on_status_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                           void *userdata) {
    const Peer *peer = userdata;
    const TransferTable *transfers = &peer->transfers;
    size_t files = tracker_published(peer->tracker);
    size_t uploads = transfers->count - transfers->lingering - transfers->downloads;

    if (tracker_state(peer->tracker) == TRACKER_JOINED)
        (void) sd_notifyf(false, "STATUS=Joined to %s; %zu file%s published; %zu down, %zu up",
                          peer->config.ft, files, files == 1 ? "" : "s", transfers->downloads,
                          uploads);
    else
        (void) sd_notifyf(false, "STATUS=Not joined: %s; %zu down, %zu up",
                          tracker_reason(peer->tracker), transfers->downloads, uploads);
    return 0;
}

// Soon, not at once: uploads may come and go by the thousand.
void peer_update_status(Peer *peer) {
    int enabled;

    if (sd_event_source_get_enabled(peer->status_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
        return;
    (void) sd_event_source_set_time_relative(peer->status_timer, STATUS_USEC);
    (void) sd_event_source_set_enabled(peer->status_timer, SD_EVENT_ONESHOT);
}

static void on_ft_state(void *userdata) {
    Peer *peer = userdata;

    peer_update_status(peer);
    if (tracker_state(peer->tracker) == TRACKER_JOINED)
        download_retry_all(peer);
    peer_bus_state_changed(peer);
}

static void on_connection(int fd, const Endpoint *remote, void *userdata) {
    Peer *peer = userdata;

    upload_accept(&peer->uploads, fd, remote);
}

static int configure_uploads(Peer *peer) {
    const PeerConfig *config = &peer->config;

    return upload_server_configure(&peer->uploads, config->max_uploads, config->upload_rate,
                                   &config->rate_exempt);
}

static int make_threads(Peer *peer) {
    int r;

    r = loop_thread_new(peer->event, "uploads", &peer->upload_thread);
    if (r >= 0)
        r = loop_thread_new(peer->event, "downloads", &peer->download_thread);
    if (r >= 0)
        r = upload_server_init(&peer->uploads, peer->poller, peer->upload_thread, &peer->transfers,
                               &peer->shares, &peer->roots);
    if (r >= 0)
        r = mover_new(peer->download_thread, &peer->download_rate, &peer->receivers);
    if (r >= 0)
        r = swarm_engine_new(peer->download_thread, &peer->download_rate, &peer->swarms);
    return r;
}

static int start_threads(Peer *peer) {
    int r;

    r = loop_thread_start(peer->upload_thread);
    if (r >= 0)
        r = configure_uploads(peer);
    if (r >= 0)
        r = loop_thread_start(peer->download_thread);
    return r < 0 ? r : swarm_engine_start(peer->swarms);
}

// A peer that cannot keep its state works all the same, until it is restarted.
static int open_store(Peer *peer) {
    const char *directory = peer->config.state_dir;
    _cleanup_free_ char *path = NULL;
    int r;

    if (asprintf(&path, "%s/transfers.db", directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    r = make_directories(directory, 0755);
    if (r >= 0)
        r = transfer_store_open(path, &peer->store);
    if (r >= 0)
        return 0;
    log_event(LOG_WARNING, &(LogFields){.id = EVENT_NO_STATE, .file = directory},
              "Cannot keep state in %s: downloads will not survive a restart", directory);
    return transfer_store_open(NULL, &peer->store);
}

int peer_new(sd_event *event, PeerConfig *config, Peer **ret) {
    _cleanup_(peer_freep) Peer *peer = NULL;
    int r;

    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return -ENOMEM;
    peer->event = sd_event_ref(event);
    peer->config = *config;
    *config = (PeerConfig){};
    r = poller_new(event, &peer->poller);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(event, &peer->status_timer, CLOCK_MONOTONIC, 0, 0,
                                   on_status_timer, peer);
    if (r >= 0)
        r = sd_event_source_set_enabled(peer->status_timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    file_syncs_init(&peer->syncs, event);
    r = transfer_table_init(&peer->transfers, event);
    if (r < 0)
        return r;
    r = open_store(peer);
    if (r < 0)
        return r;
    r = make_threads(peer);
    if (r < 0)
        return r;
    rate_limit_set(&peer->download_rate, peer->config.download_rate);
    r = tracker_new(event, peer->poller,
                    &(TrackerHooks){
                        .on_state = on_ft_state,
                        .next_offered = peer_shares_next_offered,
                        .offer_pending = peer_shares_pending,
                        .userdata = peer,
                    },
                    &peer->tracker);
    if (r >= 0)
        r = peer_shares_init(peer);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(peer);
    return 0;
}

Peer *peer_free(Peer *peer) {
    if (!peer)
        return NULL;
    tracker_free(peer->tracker);
    peer_shares_done(peer);
    for (size_t i = 0; i < peer->listener_count; i++)
        listener_free(peer->listeners[i]);
    // The threads first: what they still move belongs to transfers.
    swarm_engine_stop(peer->swarms);
    loop_thread_stop(peer->upload_thread);
    loop_thread_stop(peer->download_thread);
    upload_server_done(&peer->uploads);
    mover_free(peer->receivers);
    swarm_engine_free(peer->swarms);
    loop_thread_free(peer->upload_thread);
    loop_thread_free(peer->download_thread);
    transfer_table_done(&peer->transfers);
    sd_event_source_disable_unref(peer->status_timer); // transfers that end have used it
    transfer_store_close(peer->store);
    peer_bus_done(peer);
    sd_bus_flush_close_unref(peer->bus);
    poller_free(peer->poller);
    peer_config_done(&peer->config);
    free(peer->download_problem);
    sd_event_unref(peer->event);
    free(peer);
    return NULL;
}

static int open_listeners(Peer *peer, const Endpoint *endpoint) {
    return listener_open_all(peer->event, endpoint, on_connection, peer, peer->listeners,
                             ELEMENTSOF(peer->listeners));
}

int peer_listen(Peer *peer) {
    Endpoint listen = peer->config.listen;
    char text[ENDPOINT_TEXT_MAX];
    int r;

    r = open_listeners(peer, &listen);
    if (r == -EADDRINUSE && peer->config.any_port) {
        log_notice("Port %u is taken, most likely by the p2p-peer of the system: taking a free one",
                   listen.port);
        listen.port = 0;
        r = open_listeners(peer, &listen);
    }
    if (r < 0)
        return listener_fail(&peer->config.listen, "p2p-peer", r);
    peer->listener_count = r;
    for (size_t i = 0; i < peer->listener_count; i++) {
        endpoint_format(listener_endpoint(peer->listeners[i]), text);
        log_info("Listening on %s", text);
    }
    tracker_set_listen(peer->tracker, listener_endpoint(peer->listeners[0]));
    return 0;
}

// What was not there, or not writable for the unit, stays so until a restart, whatever it looks like meanwhile.
static void check_download_dir(Peer *peer) {
    const char *directory = peer->config.download_dir;

    if (peer->download_error == 0 || peer->download_error == -EACCES)
        peer->download_error = access(directory, W_OK | X_OK) < 0 ? -errno : 0;
    free(peer->download_problem);
    peer->download_problem = NULL;
    if (peer->download_error == 0)
        return;
    if (asprintf(&peer->download_problem, "Cannot write to %s: %s", directory,
                 strerror(-peer->download_error)) < 0)
        peer->download_problem = NULL;
    log_event(LOG_WARNING, &(LogFields){.file = directory},
              "Cannot write to download-dir %s: %s (p2pshare.ini(5), DIRECTORIES)", directory,
              strerror(-peer->download_error));
}

int peer_confine(Peer *peer) {
    const char *const writable[] = {peer->config.state_dir, peer->config.download_dir};

    // What is not there now cannot be written to later.
    (void) make_directories(peer->config.download_dir, 0755);
    check_download_dir(peer);
    return daemon_confine(writable, ELEMENTSOF(writable));
}

uint64_t peer_silence(Peer *peer, uint64_t now) {
    uint64_t uploads = loop_thread_silence(peer->upload_thread, now);
    uint64_t downloads = loop_thread_silence(peer->download_thread, now);
    uint64_t verify = swarm_engine_silence(peer->swarms, now);

    return MAX(MAX(uploads, downloads), verify);
}

static int configure_ft(Peer *peer) {
    return tracker_configure(peer->tracker, peer->config.ft_host, peer->config.ft_port,
                             peer->config.dialect);
}

int peer_start(Peer *peer) {
    int r;

    r = start_threads(peer);
    if (r >= 0)
        r = configure_ft(peer);
    if (r < 0)
        return r;
    download_restore_all(peer);
    return peer_rescan(peer);
}

// Whoever asks for the default port that this peer has not got asks for another one.
static bool listen_has_changed(const Peer *peer, const PeerConfig *config) {
    const Endpoint *listen = listener_endpoint(peer->listeners[0]);

    return !endpoint_equal(&config->listen, &peer->config.listen) ||
           (peer->config.any_port && !config->any_port && listen->port != config->listen.port);
}

int peer_reconfigure(Peer *peer, PeerConfig *config) {
    size_t n = 0;
    int r;

    if (listen_has_changed(peer, config)) {
        log_notice("listen has changed: restart p2p-peer to use it");
        peer->restart_needed[n++] = "listen";
        config->listen = peer->config.listen;
        config->any_port = peer->config.any_port;
    }
    if (strcmp(config->download_dir, peer->config.download_dir) != 0) {
        log_notice("download-dir has changed: restart p2p-peer to use it");
        peer->restart_needed[n++] = "download-dir";
        free(config->download_dir);
        config->download_dir = TAKE_PTR(peer->config.download_dir);
    }
    peer->restart_needed[n] = NULL;
    peer_config_done(&peer->config);
    peer->config = *config;
    *config = (PeerConfig){};
    hasher_configure(peer->hasher, (unsigned) peer->config.hash_threads, peer->config.hash_rate);
    rate_limit_set(&peer->download_rate, peer->config.download_rate);
    r = configure_uploads(peer);
    if (r >= 0)
        r = configure_ft(peer);
    if (r >= 0)
        r = peer_rescan_anew(peer);
    check_download_dir(peer);
    if (r < 0)
        log_error("Cannot use the new configuration: %s", strerror(-r));
    else
        log_info("Configuration reloaded");
    peer_bus_state_changed(peer);
    return r < 0 ? r : 0;
}
