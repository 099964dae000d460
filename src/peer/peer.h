// SPDX-License-Identifier: MIT
#pragma once

// The peer daemon: owns the shares, the session with FT, the port and the transfers.

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus/polkit.h"
#include "daemon/daemon.h"
#include "net/listener.h"
#include "net/loop-thread.h"
#include "net/poller.h"
#include "peer/base/transfer.h"
#include "peer/downloads/file-sync.h"
#include "peer/downloads/mover.h"
#include "peer/downloads/transfer-store.h"
#include "peer/peer-config.h"
#include "peer/shares/hasher.h"
#include "peer/shares/root-cache.h"
#include "peer/shares/share-watch.h"
#include "peer/shares/share.h"
#include "peer/swarm/swarm.h"
#include "peer/tracker/tracker-client.h"
#include "peer/uploads/upload-server.h"
#include "util/work.h"

enum {
    PEER_LISTENERS_MAX = 16,
    RESCANS_MAX = 64, // callers that wait for one
};

typedef struct Peer {
    sd_event *event;
    Poller *poller;
    PeerConfig config;
    const char *restart_needed[3]; // keys that have changed and wait for a restart, then NULL
    ShareTable *shares;            // NULL until the first scan is done
    RootCache *roots;
    Hasher *hasher;
    ShareWatch *share_watch;
    Work *scan;            // under way
    struct Scan *scan_job; // its own
    bool scan_again;       // the configuration has changed meanwhile
    sd_event_source *publish_timer;
    Tracker *tracker;
    Listener *listeners[PEER_LISTENERS_MAX];
    size_t listener_count;
    LoopThread *upload_thread, *download_thread;
    Mover *receivers;    // in download_thread
    SwarmEngine *swarms; // the same
    RateLimit download_rate;
    TransferStore *store;
    FileSyncs syncs;        // of downloads
    LogLimit source_log;    // of those without roots
    size_t unreadable;      // shares, as the log has said it last
    int download_error;     // of download-dir, -errno
    char *download_problem; // the same for people; NULL: there is none
    sd_event_source *status_timer;
    TransferTable transfers;
    UploadServer uploads;
    sd_bus *bus;
    Polkit *polkit;                       // who may what, on `bus`
    Daemon *daemon;                       // to be reloaded
    sd_bus_message *rescans[RESCANS_MAX]; // calls (Reload, too) to be answered when a scan is done
    size_t rescan_count;
    Work *examine;                // a path, under way
    sd_bus_message *examine_call; // to be answered then
} Peer;

// Takes the configuration over. 0 or -errno.
int peer_new(sd_event *event, PeerConfig *config, Peer **ret);
Peer *peer_free(Peer *peer);
DEFINE_CLEANUP_FUNC(Peer, peer_free)

// Opens the port, systemd's or our own; logs why not. 0 or -errno.
int peer_listen(Peer *peer);
// Gives up all privileges but writing to the state and download directories; before peer_start(). Logs why not. 0 or -errno.
int peer_confine(Peer *peer);
// Starts the threads, and walks the shares; FT is joined when that is done. 0 or -errno.
int peer_start(Peer *peer);
// Takes the new configuration over, and walks the shares anew. What cannot change while running is said in the log,
// and so is what went wrong. 0 or -errno.
int peer_reconfigure(Peer *peer, PeerConfig *config);
// For how long one of the threads has not answered, µs; 0: all have.
uint64_t peer_silence(Peer *peer, uint64_t now);
// Tells systemd what `systemctl status` shows.
void peer_update_status(Peer *peer);
