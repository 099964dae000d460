// SPDX-License-Identifier: MIT

#include "peer/peer.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "peer/download.h"
#include "peer/peer-bus.h"
#include "proto/protocol.h"
#include "util/fs-util.h"
#include "util/log.h"

// Tells systemd what `systemctl status` shows.
static void update_status(Peer *peer) {
    FtState state = ft_client_state(peer->ft);
    size_t files = share_table_count(peer->shares);

    if (state == FT_JOINED)
        (void) sd_notifyf(false, "STATUS=Joined to %s, %zu files shared", peer->config.ft, files);
    else
        (void) sd_notifyf(false, "STATUS=Not joined (%s): %s; %zu files shared",
                          ft_state_name(state), ft_client_reason(peer->ft), files);
}

static void on_ft_state(void *userdata) {
    Peer *peer = userdata;

    update_status(peer);
    if (ft_client_state(peer->ft) == FT_JOINED)
        download_retry_all(peer);
    peer_bus_state_changed(peer);
}

static bool next_offered(void *userdata, size_t *position, Record *ret) {
    const Peer *peer = userdata;

    while (*position < share_table_count(peer->shares)) {
        const Share *share = share_table_at(peer->shares, (*position)++);

        if (share_state(share) == SHARE_OFFERED) {
            *ret = share_record(share);
            return true;
        }
    }
    return false;
}

static void on_connection(int fd, const Endpoint *remote, void *userdata) {
    Peer *peer = userdata;

    upload_accept(&peer->uploads, fd, remote);
}

static int start_threads(Peer *peer) {
    int r;

    r = loop_thread_new(peer->event, "uploads", &peer->upload_thread);
    if (r >= 0)
        r = loop_thread_new(peer->event, "downloads", &peer->download_thread);
    if (r >= 0)
        r = mover_new(peer->upload_thread, &peer->senders);
    if (r >= 0)
        r = mover_new(peer->download_thread, &peer->receivers);
    if (r >= 0)
        r = swarm_engine_new(peer->download_thread, &peer->swarms);
    if (r >= 0)
        r = loop_thread_start(peer->upload_thread);
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
    log_warning("Cannot keep state in %s: downloads will not survive a restart", directory);
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
    r = transfer_table_init(&peer->transfers, event);
    if (r < 0)
        return r;
    r = open_store(peer);
    if (r < 0)
        return r;
    r = start_threads(peer);
    if (r < 0)
        return r;
    upload_server_init(&peer->uploads, peer->poller, peer->senders, &peer->transfers, &peer->shares,
                       peer->config.max_uploads);
    r = ft_client_new(event, peer->poller,
                      &(FtClientHooks){
                          .on_state = on_ft_state,
                          .next_offered = next_offered,
                          .userdata = peer,
                      },
                      &peer->ft);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(peer);
    return 0;
}

Peer *peer_free(Peer *peer) {
    if (!peer)
        return NULL;
    ft_client_free(peer->ft);
    work_free(peer->scan);
    for (size_t i = 0; i < peer->listener_count; i++)
        listener_free(peer->listeners[i]);
    upload_server_done(&peer->uploads);
    // The threads first: what they still move belongs to transfers.
    swarm_engine_stop(peer->swarms);
    loop_thread_stop(peer->upload_thread);
    loop_thread_stop(peer->download_thread);
    mover_free(peer->senders);
    mover_free(peer->receivers);
    swarm_engine_free(peer->swarms);
    loop_thread_free(peer->upload_thread);
    loop_thread_free(peer->download_thread);
    transfer_table_done(&peer->transfers);
    transfer_store_close(peer->store);
    peer_bus_done(peer);
    sd_bus_flush_close_unref(peer->bus);
    share_table_free(peer->shares);
    poller_free(peer->poller);
    peer_config_done(&peer->config);
    sd_event_unref(peer->event);
    free(peer);
    return NULL;
}

int peer_listen(Peer *peer) {
    char text[ENDPOINT_TEXT_MAX];
    int r;

    r = listener_open_all(peer->event, &peer->config.listen, on_connection, peer, peer->listeners,
                          ELEMENTSOF(peer->listeners));
    if (r < 0) {
        endpoint_format(&peer->config.listen, text);
        log_error("Cannot listen on %s: %s%s", text, strerror(-r),
                  r == -EADDRINUSE ? " (another p2p-peer? try: ss -ltnp)" : "");
        return r;
    }
    peer->listener_count = r;
    for (size_t i = 0; i < peer->listener_count; i++) {
        endpoint_format(listener_endpoint(peer->listeners[i]), text);
        log_info("Listening on %s", text);
    }
    ft_client_set_listen(peer->ft, listener_endpoint(peer->listeners[0]));
    return 0;
}

// What a scan takes along into its thread, and what it brings back.
typedef struct Scan {
    StringList paths, excludes;
    ShareTable *table;
    int result;
} Scan;

static void scan_free(void *job) {
    Scan *scan = job;

    string_list_clear(&scan->paths);
    string_list_clear(&scan->excludes);
    share_table_free(scan->table);
    free(scan);
}

static void scan_run(void *job) {
    Scan *scan = job;

    scan->result = share_table_scan(&scan->paths, &scan->excludes, SIZE_MAX, &scan->table);
}

static void log_shares(const Peer *peer) {
    size_t counts[_SHARE_STATE_COUNT] = {}, impossible;

    for (size_t i = 0; i < share_table_count(peer->shares); i++) {
        const Share *share = share_table_at(peer->shares, i);

        counts[share_state(share)]++;
        if (share_state(share) == SHARE_UNREADABLE || share_state(share) == SHARE_VANISHED)
            log_debug("Not shared: %s: %s", share_path(share), strerror(share_error(share)));
    }
    impossible = share_table_count(peer->shares) - counts[SHARE_OFFERED];
    log_info("Shares: %zu to publish, %zu not possible%s", counts[SHARE_OFFERED], impossible,
             impossible > 0 ? " (p2pctl shares says why)" : "");
}

static void scan_done(void *job, void *userdata) {
    Peer *peer = userdata;
    Scan *scan = job;

    peer->scan = work_free(peer->scan);
    if (scan->result < 0)
        log_error("Cannot read the shares: %s", strerror(-scan->result));
    else {
        share_table_free(peer->shares);
        peer->shares = TAKE_PTR(scan->table);
        log_shares(peer);
        ft_client_publish(peer->ft);
        if (ft_client_state(peer->ft) == FT_IDLE)
            log_notice("Not joined: %s", ft_client_reason(peer->ft));
    }
    if (peer->scan_again) {
        peer->scan_again = false;
        if (peer_rescan(peer) >= 0)
            return;
    }
    update_status(peer);
    peer_bus_shares_changed(peer, scan->result);
}

static int copy_list(const StringList *from, StringList *to) {
    for (size_t i = 0; i < from->count; i++) {
        int r = config_parse_list(NULL, from->items[i], to);

        if (r < 0)
            return r;
    }
    return 0;
}

int peer_rescan(Peer *peer) {
    static const WorkOps ops = {.run = scan_run, .done = scan_done, .free = scan_free};
    Scan *scan;

    if (peer->scan) {
        peer->scan_again = true;
        return 0;
    }
    scan = calloc(1, sizeof(*scan));
    if (!scan)
        return -ENOMEM;
    if (copy_list(&peer->config.paths, &scan->paths) < 0 ||
        copy_list(&peer->config.excludes, &scan->excludes) < 0) {
        scan_free(scan);
        return -ENOMEM;
    }
    return work_start(peer->event, &ops, scan, peer, &peer->scan);
}

static int configure_ft(Peer *peer) {
    return ft_client_configure(peer->ft, peer->config.ft_host, peer->config.ft_port,
                               peer->config.dialect);
}

int peer_start(Peer *peer) {
    int r;

    r = configure_ft(peer);
    if (r < 0)
        return r;
    download_restore_all(peer);
    return peer_rescan(peer);
}

void peer_reconfigure(Peer *peer, PeerConfig *config) {
    int r;

    if (!endpoint_equal(&config->listen, &peer->config.listen)) {
        log_notice("listen has changed: restart p2p-peer to use it");
        config->listen = peer->config.listen;
    }
    peer_config_done(&peer->config);
    peer->config = *config;
    *config = (PeerConfig){};
    upload_server_set_max(&peer->uploads, peer->config.max_uploads);
    r = configure_ft(peer);
    if (r >= 0)
        r = peer_rescan(peer);
    if (r < 0)
        log_error("Cannot use the new configuration: %s", strerror(-r));
    else
        log_info("Configuration reloaded");
    peer_bus_state_changed(peer);
}
