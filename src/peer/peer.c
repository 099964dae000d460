// SPDX-License-Identifier: MIT

#include "peer/peer.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/daemon.h"
#include "peer/downloads/download.h"
#include "proto/protocol.h"
#include "util/fs-util.h"
#include "util/log.h"

static const uint64_t STATUS_USEC = USEC_PER_SEC / 2;

static int peer_on_status_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                void *userdata) {
    const Peer *peer = userdata;
    const TransferTable *transfers = &peer->transfers;
    size_t files = tracker_published(peer->tracker);
    size_t uploads = transfers->count - transfers->lingering - transfers->downloads;

    if (tracker_state(peer->tracker) == TRACKER_JOINED)
        (void)sd_notifyf(false, "STATUS=Joined to %s; %zu file%s published; %zu down, %zu up",
                         peer->config.ft, files, files == 1 ? "" : "s", transfers->downloads,
                         uploads);
    else
        (void)sd_notifyf(false, "STATUS=Not joined: %s; %zu down, %zu up",
                         tracker_reason(peer->tracker), transfers->downloads, uploads);
    return 0;
}

// Updates the status after a delay, because uploads may come and go by the thousand.
void peer_update_status(Peer *peer) {
    int enabled;

    if (sd_event_source_get_enabled(peer->status_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time_relative(peer->status_timer, STATUS_USEC);
    (void)sd_event_source_set_enabled(peer->status_timer, SD_EVENT_ONESHOT);
}

static void peer_tell_state(Peer *peer) {
    if (peer->hooks.on_state)
        peer->hooks.on_state(peer->hooks.userdata);
}

static void peer_tell_shares(Peer *peer) {
    if (peer->hooks.on_shares)
        peer->hooks.on_shares(peer->hooks.userdata);
}

static void peer_on_tracker_state(void *userdata) {
    Peer *peer = userdata;

    peer_update_status(peer);
    if (tracker_state(peer->tracker) == TRACKER_JOINED)
        download_retry_all(&peer->downloads);
    peer_tell_state(peer);
}

static bool peer_on_next_offered(void *userdata, size_t *position, Record *ret) {
    const Peer *peer = userdata;

    return shares_next_offered(peer->shares, position, ret);
}

static const char *peer_on_offer_pending(void *userdata) {
    const Peer *peer = userdata;

    return shares_pending(peer->shares);
}

static void peer_on_shares_table(void *userdata) {
    Peer *peer = userdata;

    upload_server_shares_changed(&peer->uploads);
}

static void peer_on_shares_offer(void *userdata) {
    Peer *peer = userdata;

    tracker_publish(peer->tracker);
    if (tracker_state(peer->tracker) == TRACKER_IDLE && !shares_is_hashing(peer->shares) &&
        (!peer->config.ft ||
         share_table_count_state(shares_table(peer->shares), SHARE_OFFERED) == 0))
        log_notice("Not joined: %s", tracker_reason(peer->tracker));
    peer_update_status(peer);
    peer_tell_shares(peer);
}

static void peer_on_shares_scanned(int r, void *userdata) {
    Peer *peer = userdata;

    peer_update_status(peer);
    peer_tell_shares(peer);
    if (peer->hooks.on_scanned)
        peer->hooks.on_scanned(r, peer->hooks.userdata);
}

static void peer_on_connection(int fd, const Endpoint *remote, void *userdata) {
    Peer *peer = userdata;

    upload_accept(&peer->uploads, fd, remote);
}

static int peer_configure_uploads(Peer *peer) {
    const PeerConfig *config = &peer->config;

    return upload_server_configure(&peer->uploads, config->max_uploads, config->upload_rate,
                                   &config->rate_exempt);
}

static SharesConfig peer_shares_config(const PeerConfig *config) {
    return (SharesConfig){
        .paths = &config->paths,
        .excludes = &config->excludes,
        .hash_threads = (unsigned)config->hash_threads,
        .hash_rate = config->hash_rate,
    };
}

static DownloadsConfig peer_downloads_config(const PeerConfig *config) {
    return (DownloadsConfig){
        .directory = config->download_dir,
        .exempt = &config->rate_exempt,
        .rate = config->download_rate,
    };
}

static int peer_make_shares(Peer *peer) {
    const SharesConfig config = peer_shares_config(&peer->config);
    const SharesHooks hooks = {
        .on_table = peer_on_shares_table,
        .on_offer = peer_on_shares_offer,
        .on_scanned = peer_on_shares_scanned,
        .userdata = peer,
    };

    return shares_new(peer->event, peer->config.state_dir, &config, &hooks, &peer->shares);
}

static int peer_make_tracker(Peer *peer) {
    const TrackerHooks hooks = {
        .on_state = peer_on_tracker_state,
        .next_offered = peer_on_next_offered,
        .offer_pending = peer_on_offer_pending,
        .userdata = peer,
    };

    return tracker_new(peer->event, peer->poller, &hooks, &peer->tracker);
}

static int peer_make_downloads(Peer *peer) {
    const DownloadsConfig config = peer_downloads_config(&peer->config);
    const DownloadsParts parts = {
        .event = peer->event,
        .poller = peer->poller,
        .transfers = &peer->transfers,
        .tracker = peer->tracker,
    };

    return downloads_init(&peer->downloads, &parts, peer->config.state_dir, &config);
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
                                   peer_on_status_timer, peer);
    if (r >= 0)
        r = sd_event_source_set_enabled(peer->status_timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    r = transfer_table_init(&peer->transfers, event);
    if (r >= 0)
        r = peer_make_tracker(peer);
    if (r >= 0)
        r = peer_make_downloads(peer);
    if (r >= 0)
        r = peer_make_shares(peer);
    if (r >= 0)
        r = upload_server_init(&peer->uploads, peer->poller, &peer->transfers, peer->shares);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(peer);
    return 0;
}

Peer *peer_free(Peer *peer) {
    if (!peer)
        return NULL;
    tracker_free(peer->tracker);
    shares_free(peer->shares);
    for (size_t i = 0; i < peer->listener_count; i++)
        listener_free(peer->listeners[i]);
    // Stop the threads first: the files that they still move belong to transfers.
    downloads_stop(&peer->downloads);
    upload_server_done(&peer->uploads);
    transfer_table_done(&peer->transfers);
    sd_event_source_disable_unref(peer->status_timer); // ending transfers still used it above
    downloads_done(&peer->downloads);
    poller_free(peer->poller);
    peer_config_done(&peer->config);
    sd_event_unref(peer->event);
    free(peer);
    return NULL;
}

static int peer_open_listeners(Peer *peer, const Endpoint *endpoint) {
    return listener_open_all(peer->event, endpoint, peer_on_connection, peer, peer->listeners,
                             ELEMENTSOF(peer->listeners));
}

int peer_listen(Peer *peer) {
    Endpoint listen = peer->config.listen;
    char text[ENDPOINT_TEXT_MAX];
    int r;

    r = peer_open_listeners(peer, &listen);
    if (r == -EADDRINUSE && peer->config.any_port) {
        log_notice("Port %u is taken, most likely by the p2p-peer of the system: taking a free one",
                   listen.port);
        listen.port = 0;
        r = peer_open_listeners(peer, &listen);
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

int peer_confine(Peer *peer) {
    const char *const writable[] = {peer->config.state_dir, peer->config.download_dir};

    // Create the directory now: the confined daemon cannot write to one that did not exist before.
    (void)make_directories(peer->config.download_dir, 0755);
    downloads_check_directory(&peer->downloads);
    return daemon_confine(writable, ELEMENTSOF(writable));
}

uint64_t peer_silence(Peer *peer, uint64_t now) {
    uint64_t uploads = upload_server_silence(&peer->uploads, now);
    uint64_t downloads = downloads_silence(&peer->downloads, now);

    return MAX(uploads, downloads);
}

static int peer_configure_tracker(Peer *peer) {
    return tracker_configure(peer->tracker, peer->config.ft_host, peer->config.ft_port,
                             peer->config.dialect);
}

int peer_start(Peer *peer) {
    int r;

    r = upload_server_start(&peer->uploads);
    if (r >= 0)
        r = peer_configure_uploads(peer);
    if (r >= 0)
        r = downloads_start(&peer->downloads);
    if (r >= 0)
        r = peer_configure_tracker(peer);
    if (r < 0)
        return r;
    download_restore_all(&peer->downloads);
    return shares_rescan(peer->shares);
}

// If the peer runs on a free port and the new configuration asks for the default port explicitly,
// the port has changed too.
static bool peer_listen_has_changed(const Peer *peer, const PeerConfig *config) {
    const Endpoint *listen = listener_endpoint(peer->listeners[0]);

    return !endpoint_equal(&config->listen, &peer->config.listen) ||
           (peer->config.any_port && !config->any_port && listen->port != config->listen.port);
}

int peer_reconfigure(Peer *peer, PeerConfig *config) {
    DownloadsConfig downloads;
    SharesConfig shares;
    size_t n = 0;
    int r;

    if (peer_listen_has_changed(peer, config)) {
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
    shares = peer_shares_config(&peer->config);
    downloads = peer_downloads_config(&peer->config);
    shares_configure(peer->shares, &shares);
    downloads_configure(&peer->downloads, &downloads);
    r = peer_configure_uploads(peer);
    if (r >= 0)
        r = peer_configure_tracker(peer);
    if (r >= 0)
        r = shares_rescan_anew(peer->shares);
    downloads_check_directory(&peer->downloads);
    if (r < 0)
        log_error("Cannot use the new configuration: %s", strerror(-r));
    else
        log_info("Configuration reloaded");
    peer_tell_state(peer);
    return r < 0 ? r : 0;
}
