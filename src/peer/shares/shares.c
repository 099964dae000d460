// SPDX-License-Identifier: MIT

#include "peer/shares/shares.h"

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

#include "peer/bus/peer-bus.h"
#include "peer/shares/share-scan.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/text.h"
#include "util/time-util.h"

// While much is being hashed, FT and the bus are told once in so long.
static const uint64_t PUBLISH_USEC = USEC_PER_SEC;

#define SEE_SHARES " (p2pctl shares says why)"

// What a scan takes along into its thread, and what it brings back.
typedef struct Scan {
    StringList paths, excludes;
    RootCache *roots;
    WatchSet *watches;
    ShareTable *table;
    atomic_bool cancelled;
    int result;
} Scan;

static void scan_free(void *job) {
    Scan *scan = job;

    string_list_clear(&scan->paths);
    string_list_clear(&scan->excludes);
    watch_set_free(scan->watches);
    share_table_free(scan->table);
    free(scan);
}

static void scan_run(void *job) {
    Scan *scan = job;

    scan->result = share_scan(
        &(ShareScan){
            .paths = &scan->paths,
            .excludes = &scan->excludes,
            .roots = scan->roots,
            .watches = scan->watches,
            .cancelled = &scan->cancelled,
        },
        &scan->table);
}

bool peer_shares_next_offered(void *userdata, size_t *position, Record *ret) {
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

const char *peer_shares_pending(void *userdata) {
    const Peer *peer = userdata;

    if (!peer->shares)
        return "looking at what is shared";
    return share_table_count_state(peer->shares, SHARE_HASHING) > 0 ? "hashing what is shared"
                                                                    : NULL;
}

static void publish(Peer *peer) {
    (void) sd_event_source_set_enabled(peer->publish_timer, SD_EVENT_OFF);
    tracker_publish(peer->tracker);
    if (tracker_state(peer->tracker) == TRACKER_IDLE && hasher_is_idle(peer->hasher) &&
        (!peer->config.ft || share_table_count_state(peer->shares, SHARE_OFFERED) == 0))
        log_notice("Not joined: %s", tracker_reason(peer->tracker));
    peer_update_status(peer);
    peer_bus_shares_changed(peer);
}

static int on_publish_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                            void *userdata) {
    publish(userdata);
    return 0;
}

// At once, or soon where what is being hashed now may be ready then: a file that has changed is taken back
// and offered anew in one go, and a peer with only that one need not leave FT in between.
static void publish_soon(Peer *peer) {
    int enabled = SD_EVENT_OFF;

    if (hasher_is_idle(peer->hasher)) {
        publish(peer);
        return;
    }
    (void) sd_event_source_get_enabled(peer->publish_timer, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void) sd_event_source_set_time_relative(peer->publish_timer, PUBLISH_USEC);
    (void) sd_event_source_set_enabled(peer->publish_timer, SD_EVENT_ONESHOT);
}

static size_t count_impossible(const Peer *peer) {
    return share_table_count(peer->shares) - share_table_count_state(peer->shares, SHARE_OFFERED) -
           share_table_count_state(peer->shares, SHARE_HASHING);
}

// Each of those that cannot be read; the first one for everybody, when it is not so many as before. Before all is hashed
// again they are not all known.
static void log_unreadable(Peer *peer) {
    size_t count = share_table_count_state(peer->shares, SHARE_UNREADABLE) +
                   share_table_count_state(peer->shares, SHARE_VANISHED);
    bool more = count > peer->unreadable, fewer = count < peer->unreadable;
    int level = more || (fewer && hasher_is_idle(peer->hasher)) ? LOG_WARNING : LOG_DEBUG;

    if (level == LOG_WARNING)
        peer->unreadable = count;
    for (size_t i = 0; i < share_table_count(peer->shares) && count > 0; i++) {
        const Share *share = share_table_at(peer->shares, i);
        _cleanup_free_ char *path = NULL, *shown = NULL;

        if (share_state(share) != SHARE_UNREADABLE && share_state(share) != SHARE_VANISHED)
            continue;
        path = share_make_path(share);
        shown = path ? text_escape(path, strlen(path)) : NULL;
        log_event(level, &(LogFields){.id = EVENT_NOT_SHARED, .file = path}, "Not shared: %s: %s%s",
                  shown ?: "", share_error_text(share),
                  level == LOG_WARNING && count > 1 ? ", and others (p2pctl shares)" : "");
        level = LOG_DEBUG;
    }
}

static void log_shares(Peer *peer) {
    size_t impossible = count_impossible(peer);
    size_t n = share_table_count(peer->shares) - impossible;

    log_unreadable(peer);
    log_info("Shares: %zu file%s, %zu to hash, %zu not possible%s", n, n == 1 ? "" : "s",
             share_table_count_state(peer->shares, SHARE_HASHING), impossible,
             impossible > 0 ? SEE_SHARES : "");
}

static void on_hashed(void *userdata) {
    Peer *peer = userdata;
    size_t n = share_table_count_state(peer->shares, SHARE_OFFERED);
    size_t impossible = count_impossible(peer);

    publish_soon(peer);
    if (!hasher_is_idle(peer->hasher))
        return;
    log_unreadable(peer);
    log_info("Hashed what was new: %zu file%s to publish, %zu not possible%s", n, n == 1 ? "" : "s",
             impossible, impossible > 0 ? SEE_SHARES : "");
}

static void on_stale(void *userdata) {
    Peer *peer = userdata;

    share_watch_poke(peer->share_watch);
}

static void on_change(void *userdata) {
    Peer *peer = userdata;
    int r;

    r = peer_rescan(peer);
    if (r < 0)
        log_error("Cannot look for changes of the shares: %s", strerror(-r));
}

static void take_table(Peer *peer, Scan *scan) {
    ShareTable *old = peer->shares;

    peer->shares = TAKE_PTR(scan->table);
    hasher_set_table(peer->hasher, peer->shares);
    upload_server_shares_changed(&peer->uploads);
    share_table_free(old);
    // It is large, and came in pieces of which malloc() keeps those that are not at the end.
    (void) malloc_trim(0);
    log_shares(peer);
    publish_soon(peer);
}

static void scan_done(void *job, void *userdata) {
    Peer *peer = userdata;
    Scan *scan = job;

    peer->scan = work_free(peer->scan);
    peer->scan_job = NULL;
    share_watch_end(peer->share_watch, scan->result < 0 ? NULL : TAKE_PTR(scan->watches));
    if (scan->result >= 0)
        take_table(peer, scan);
    else if (scan->result != -ECANCELED)
        log_error("Cannot read the shares: %s", strerror(-scan->result));
    if (peer->scan_again) {
        peer->scan_again = false;
        if (peer_rescan(peer) >= 0)
            return;
    }
    peer_update_status(peer);
    peer_bus_shares_changed(peer);
    peer_bus_rescanned(peer, scan->result);
}

static int copy_list(const StringList *from, StringList *to) {
    for (size_t i = 0; i < from->count; i++) {
        int r = config_parse_list(NULL, from->items[i], to);

        if (r < 0)
            return r;
    }
    return 0;
}

static int scan_new(Peer *peer, Scan **ret) {
    Scan *scan = calloc(1, sizeof(*scan));
    int r;

    if (!scan)
        return -ENOMEM;
    scan->roots = peer->roots;
    r = copy_list(&peer->config.paths, &scan->paths);
    if (r >= 0)
        r = copy_list(&peer->config.excludes, &scan->excludes);
    if (r >= 0)
        r = share_watch_begin(peer->share_watch, &scan->watches);
    if (r < 0) {
        scan_free(scan);
        return r;
    }
    *ret = scan;
    return 0;
}

int peer_rescan(Peer *peer) {
    static const WorkOps ops = {.run = scan_run, .done = scan_done, .free = scan_free};
    Scan *scan;
    int r;

    if (peer->scan) {
        peer->scan_again = true;
        return 0;
    }
    r = scan_new(peer, &scan);
    if (r < 0)
        return r;
    r = work_start(peer->event, &ops, scan, peer, &peer->scan);
    if (r < 0)
        share_watch_end(peer->share_watch, NULL);
    else
        peer->scan_job = scan;
    return r;
}

int peer_rescan_anew(Peer *peer) {
    if (peer->scan_job)
        atomic_store(&peer->scan_job->cancelled, true);
    return peer_rescan(peer);
}

int peer_shares_init(Peer *peer) {
    const HasherHooks hooks = {.on_hashed = on_hashed, .on_stale = on_stale, .userdata = peer};
    int r;

    r = root_cache_open(peer->config.state_dir, &peer->roots);
    if (r >= 0)
        r = hasher_new(peer->event, peer->roots, &hooks, &peer->hasher);
    if (r >= 0)
        r = share_watch_new(peer->event, on_change, peer, &peer->share_watch);
    if (r >= 0)
        r = sd_event_add_time(peer->event, &peer->publish_timer, CLOCK_MONOTONIC, 0, 0,
                              on_publish_timer, peer);
    if (r < 0)
        return r;
    hasher_configure(peer->hasher, (unsigned) peer->config.hash_threads, peer->config.hash_rate);
    return sd_event_source_set_enabled(peer->publish_timer, SD_EVENT_OFF);
}

void peer_shares_done(Peer *peer) {
    if (peer->scan_job)
        atomic_store(&peer->scan_job->cancelled, true);
    peer->scan = work_join(peer->scan);
    peer->scan_job = NULL;
    peer->hasher = hasher_free(peer->hasher);
    peer->share_watch = share_watch_free(peer->share_watch);
    peer->publish_timer = sd_event_source_disable_unref(peer->publish_timer);
    peer->roots = root_cache_free(peer->roots);
    peer->shares = share_table_free(peer->shares);
}
