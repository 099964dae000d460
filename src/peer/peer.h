// SPDX-License-Identifier: MIT
#pragma once

// The peer daemon: connects the shares, the session with FT, the uploads and the downloads. It
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
    // The state, the reason, the address, FT or the configuration may have changed.
    void (*on_state)(void *userdata);
    // The shares may have changed, or the part of them that FT holds.
    void (*on_shares)(void *userdata);
    // A walk of the shares has ended, whatever started it. r: 0 or -errno.
    void (*on_scanned)(int r, void *userdata);
    void *userdata;
} PeerHooks;

typedef struct Peer {
    sd_event *event;
    Poller *poller;
    PeerConfig config;
    // Changed keys that take effect only after a restart; ends with NULL.
    const char *restart_needed[3];
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
Peer *peer_free(Peer *peer); // may call the hooks until it returns
DEFINE_CLEANUP_FUNC(Peer, peer_free)

// Opens the port, either the socket from systemd or its own. Logs why it failed. 0 or -errno.
int peer_listen(Peer *peer);
// Gives up all privileges, except writing to the state and download directories. Call it before
// peer_start(). Logs why it failed. 0 or -errno.
int peer_confine(Peer *peer);
// Starts the threads and walks the shares; joins FT when the walk has ended. 0 or -errno.
int peer_start(Peer *peer);
// Takes the new configuration over, and walks the shares again. Logs errors, and the keys that
// cannot change while the peer runs. 0 or -errno.
int peer_reconfigure(Peer *peer, PeerConfig *config);
// How long a thread has not answered, the longest of all, µs; 0: all have answered.
uint64_t peer_silence(Peer *peer, uint64_t now);
// Sets the status text that `systemctl status` shows, soon after the call.
void peer_update_status(Peer *peer);
