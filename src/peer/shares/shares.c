// SPDX-License-Identifier: MIT

#include "peer/shares/shares.h"

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

#include "peer/shares/hasher.h"
#include "peer/shares/share-scan.h"
#include "peer/shares/share-watch.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/text.h"
#include "util/time-util.h"
#include "util/work.h"

// While many files are being hashed, tell FT and the bus at most once in this time.
static const uint64_t PUBLISH_USEC = USEC_PER_SEC;

#define SEE_SHARES " (p2pctl shares says why)"

// The input and the result of a scan in its thread.
typedef struct Scan {
    StringList paths, excludes;
    RootCache *roots;
    WatchSet *watches;
    ShareTable *table;
    atomic_bool cancelled;
    int result;
} Scan;

struct Shares {
    sd_event *event;
    SharesConfig config;
    SharesHooks hooks;
    ShareTable *table; // NULL until the first walk is over
    RootCache *roots;
    Hasher *hasher;
    ShareWatch *watch;
    Work *scan;      // the walk in its thread; NULL: none
    Scan *scan_job;  // owned by `scan`
    bool scan_again; // the configuration changed during the walk
    sd_event_source *publish_timer;
    size_t unreadable; // count of the last log message
};

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

bool shares_next_offered(const Shares *shares, size_t *position, Record *ret) {
    while (*position < share_table_count(shares->table)) {
        const Share *share = share_table_at(shares->table, (*position)++);

        if (share_state(share) == SHARE_OFFERED) {
            *ret = share_record(share);
            return true;
        }
    }
    return false;
}

const char *shares_pending(const Shares *shares) {
    if (!shares->table)
        return "looking at what is shared";
    return share_table_count_state(shares->table, SHARE_HASHING) > 0 ? "hashing what is shared"
                                                                     : NULL;
}

static void shares_publish(Shares *shares) {
    (void)sd_event_source_set_enabled(shares->publish_timer, SD_EVENT_OFF);
    shares->hooks.on_offer(shares->hooks.userdata);
}

static int shares_on_publish_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                   void *userdata) {
    shares_publish(userdata);
    return 0;
}

// Publishes at once if nothing is being hashed, else soon. Waiting lets a changed file be withdrawn
// and offered again in one step. A peer that shares only that file then need not leave FT in
// between.
static void shares_publish_soon(Shares *shares) {
    int enabled = SD_EVENT_OFF;

    if (hasher_is_idle(shares->hasher)) {
        shares_publish(shares);
        return;
    }
    (void)sd_event_source_get_enabled(shares->publish_timer, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time_relative(shares->publish_timer, PUBLISH_USEC);
    (void)sd_event_source_set_enabled(shares->publish_timer, SD_EVENT_ONESHOT);
}

static size_t shares_count_impossible(const Shares *shares) {
    return share_table_count(shares->table) -
           share_table_count_state(shares->table, SHARE_OFFERED) -
           share_table_count_state(shares->table, SHARE_HASHING);
}

// Logs each file that cannot be read. The first is a warning if the count has changed; the others
// are debug messages. A lower count waits until all files are hashed, because the unreadable ones
// are not all known before.
static void shares_log_unreadable(Shares *shares) {
    size_t count = share_table_count_state(shares->table, SHARE_UNREADABLE) +
                   share_table_count_state(shares->table, SHARE_VANISHED);
    bool more = count > shares->unreadable, fewer = count < shares->unreadable;
    int level = more || (fewer && hasher_is_idle(shares->hasher)) ? LOG_WARNING : LOG_DEBUG;

    if (level == LOG_WARNING)
        shares->unreadable = count;
    for (size_t i = 0; i < share_table_count(shares->table) && count > 0; i++) {
        const Share *share = share_table_at(shares->table, i);
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

static void shares_log_shares(Shares *shares) {
    size_t impossible = shares_count_impossible(shares);
    size_t n = share_table_count(shares->table) - impossible;

    shares_log_unreadable(shares);
    log_info("Shares: %zu file%s, %zu to hash, %zu not possible%s", n, n == 1 ? "" : "s",
             share_table_count_state(shares->table, SHARE_HASHING), impossible,
             impossible > 0 ? SEE_SHARES : "");
}

static void shares_on_hashed(void *userdata) {
    Shares *shares = userdata;
    size_t n = share_table_count_state(shares->table, SHARE_OFFERED);
    size_t impossible = shares_count_impossible(shares);

    shares_publish_soon(shares);
    if (!hasher_is_idle(shares->hasher))
        return;
    shares_log_unreadable(shares);
    log_info("Hashed what was new: %zu file%s to publish, %zu not possible%s", n, n == 1 ? "" : "s",
             impossible, impossible > 0 ? SEE_SHARES : "");
}

static void shares_on_stale(void *userdata) {
    Shares *shares = userdata;

    share_watch_poke(shares->watch);
}

static void shares_on_change(void *userdata) {
    Shares *shares = userdata;
    int r;

    r = shares_rescan(shares);
    if (r < 0)
        log_error("Cannot look for changes of the shares: %s", strerror(-r));
}

static void shares_take_table(Shares *shares, Scan *scan) {
    ShareTable *old = shares->table;

    shares->table = TAKE_PTR(scan->table);
    hasher_set_table(shares->hasher, shares->table);
    shares->hooks.on_table(shares->hooks.userdata);
    share_table_free(old);
    // The old table was large. malloc() keeps freed chunks unless they are at the end of the heap,
    // so return them to the system.
    (void)malloc_trim(0);
    shares_log_shares(shares);
    shares_publish_soon(shares);
}

static void scan_done(void *job, void *userdata) {
    Shares *shares = userdata;
    Scan *scan = job;

    shares->scan = work_free(shares->scan);
    shares->scan_job = NULL;
    share_watch_end(shares->watch, scan->result < 0 ? NULL : TAKE_PTR(scan->watches));
    if (scan->result >= 0)
        shares_take_table(shares, scan);
    else if (scan->result != -ECANCELED)
        log_error("Cannot read the shares: %s", strerror(-scan->result));
    if (shares->scan_again) {
        shares->scan_again = false;
        if (shares_rescan(shares) >= 0)
            return;
    }
    shares->hooks.on_scanned(scan->result, shares->hooks.userdata);
}

static int shares_copy_list(const StringList *from, StringList *to) {
    for (size_t i = 0; i < from->count; i++) {
        int r = config_parse_list(NULL, from->items[i], to);

        if (r < 0)
            return r;
    }
    return 0;
}

static int scan_new(Shares *shares, Scan **ret) {
    Scan *scan = calloc(1, sizeof(*scan));
    int r;

    if (!scan)
        return -ENOMEM;
    scan->roots = shares->roots;
    r = shares_copy_list(shares->config.paths, &scan->paths);
    if (r >= 0)
        r = shares_copy_list(shares->config.excludes, &scan->excludes);
    if (r >= 0)
        r = share_watch_begin(shares->watch, &scan->watches);
    if (r < 0) {
        scan_free(scan);
        return r;
    }
    *ret = scan;
    return 0;
}

int shares_rescan(Shares *shares) {
    static const WorkOps ops = {.run = scan_run, .done = scan_done, .free = scan_free};
    Scan *scan;
    int r;

    if (shares->scan) {
        shares->scan_again = true;
        return 0;
    }
    r = scan_new(shares, &scan);
    if (r < 0)
        return r;
    r = work_start(shares->event, &ops, scan, shares, &shares->scan);
    if (r < 0)
        share_watch_end(shares->watch, NULL);
    else
        shares->scan_job = scan;
    return r;
}

int shares_rescan_anew(Shares *shares) {
    if (shares->scan_job)
        atomic_store(&shares->scan_job->cancelled, true);
    return shares_rescan(shares);
}

void shares_configure(Shares *shares, const SharesConfig *config) {
    shares->config = *config;
    hasher_configure(shares->hasher, config->hash_threads, config->hash_rate);
}

int shares_new(sd_event *event, const char *state_dir, const SharesConfig *config,
               const SharesHooks *hooks, Shares **ret) {
    _cleanup_(shares_freep) Shares *shares = calloc(1, sizeof(*shares));
    int r;

    if (!shares)
        return -ENOMEM;
    shares->event = sd_event_ref(event);
    shares->hooks = *hooks;
    r = root_cache_open(state_dir, &shares->roots);
    if (r >= 0)
        r = hasher_new(event, shares->roots,
                       &(HasherHooks){.on_hashed = shares_on_hashed,
                                      .on_stale = shares_on_stale,
                                      .userdata = shares},
                       &shares->hasher);
    if (r >= 0)
        r = share_watch_new(event, shares_on_change, shares, &shares->watch);
    if (r >= 0)
        r = sd_event_add_time(event, &shares->publish_timer, CLOCK_MONOTONIC, 0, 0,
                              shares_on_publish_timer, shares);
    if (r >= 0)
        r = sd_event_source_set_enabled(shares->publish_timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    shares_configure(shares, config);
    *ret = TAKE_PTR(shares);
    return 0;
}

Shares *shares_free(Shares *shares) {
    if (!shares)
        return NULL;
    if (shares->scan_job)
        atomic_store(&shares->scan_job->cancelled, true);
    work_join(shares->scan);
    hasher_free(shares->hasher);
    share_watch_free(shares->watch);
    sd_event_source_disable_unref(shares->publish_timer);
    root_cache_free(shares->roots);
    share_table_free(shares->table);
    sd_event_unref(shares->event);
    free(shares);
    return NULL;
}

const ShareTable *shares_table(const Shares *shares) {
    return shares->table;
}

RootCache *shares_roots(const Shares *shares) {
    return shares->roots;
}

bool shares_is_hashing(const Shares *shares) {
    return !hasher_is_idle(shares->hasher);
}

int shares_hashed_percent(const Shares *shares, const Share *share) {
    return hasher_percent(shares->hasher, share);
}

const char *shares_watch_problem(const Shares *shares) {
    return share_watch_problem(shares->watch);
}
