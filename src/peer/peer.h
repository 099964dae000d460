// SPDX-License-Identifier: MIT
#pragma once

// The peer daemon: puts the shares, the session with FT, the uploads and the downloads together. It
// knows no D-Bus: peer/bus sets the hooks to hear of changes.

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "net/listener.h"
#include "net/poller.h"
#include "peer/base/transfer.h"
#include "peer/downloads/downloads.h"
#include "peer/peer-config.h"
#include "peer/shares/shares.h"
#include "peer/tracker/tracker-client.h"
#include "peer/uploads/upload-server.h"

enum {
    PEER_LISTENERS_MAX = 16,
};

// Each may be NULL.
typedef struct PeerHooks {
    void (*on_state)(void *userdata);  // state, reason, address, FT or configuration may be new
    void (*on_shares)(void *userdata); // what is shared, or what FT has of it
    // A walk of the shares is over, whatever has started it. r: 0 or -errno.
    void (*on_scanned)(int r, void *userdata);
    void *userdata;
} PeerHooks;

typedef struct Peer {
    sd_event *event;
    Poller *poller;
    PeerConfig config;
    const char *restart_needed[3]; // keys that have changed and wait for a restart, then NULL
    PeerHooks hooks;
    Listener *listeners[PEER_LISTENERS_MAX];
    size_t listener_count;
    TransferTable transfers;
    Shares *shares;
    Tracker *tracker;
    UploadServer uploads;
    Downloads downloads;
    sd_event_source *status_timer;
} Peer;

// Takes the configuration over. 0 or -errno.
int peer_new(sd_event *event, PeerConfig *config, Peer **ret);
Peer *peer_free(Peer *peer); // the hooks are called until it returns
DEFINE_CLEANUP_FUNC(Peer, peer_free)

// Opens the port, systemd's or our own; logs why not. 0 or -errno.
int peer_listen(Peer *peer);
// Gives up all privileges but writing to the state and download directories; before peer_start().
// Logs why not. 0 or -errno.
int peer_confine(Peer *peer);
// Starts the threads, and walks the shares; FT is joined when that is done. 0 or -errno.
int peer_start(Peer *peer);
// Takes the new configuration over, and walks the shares anew. What cannot change while running is
// said in the log, and so is what went wrong. 0 or -errno.
int peer_reconfigure(Peer *peer, PeerConfig *config);
// For how long one of the threads has not answered, µs; 0: all have.
uint64_t peer_silence(Peer *peer, uint64_t now);
// Tells systemd what `systemctl status` shows.
void peer_update_status(Peer *peer);
