// SPDX-License-Identifier: MIT

#include "ft/ft.h"

#include <inttypes.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"
#include "util/timer.h"

enum {
    // File descriptors for everything except sessions: sockets, probes, the bus, the loop, the
    // reserve.
    FD_MARGIN = 96,
    // Buffers of all sessions on a busy day. Below this FT does not return freed memory to the
    // kernel.
    BURST_BYTES = 8 * 1024 * 1024,
    // The share of a session's turn that listing all addresses of this machine counts as.
    LOCAL_WORK = 512,
};

// How long an answer of the kernel counts, so a new address of this machine is known after a
// second.
static const uint64_t LOCAL_USEC = USEC_PER_SEC;

static const struct {
    const char *name;
    const char *sentence; // for the log, behind the peer's address
} refusals[] = {
    [REFUSED_NO_HELLO] = {"no-hello", "did not begin with HELLO"},
    [REFUSED_NOT_ACCEPTED] = {"not-accepted", "asked before FT had accepted a record of it"},
    [REFUSED_TIMEOUT] = {"timeout", "sent too little for too long"},
    [REFUSED_BAD_RECORD] = {"bad-record", "sent an invalid record"},
    [REFUSED_OVER_LIMIT] = {"over-limit", "has max-files-per-peer records already"},
    [REFUSED_BAD_NAME] = {"bad-name", "searched for a name that no file can have"},
    [REFUSED_TOO_LONG] = {"too-long", "sent a message that is too long"},
    [REFUSED_SLOW_READER] = {"slow-reader", "does not read its answers"},
    [REFUSED_FULL] = {"full", "came when max-peers connections were open"},
    [REFUSED_DENIED] = {"denied", "may not connect (allow, deny)"},
    [REFUSED_ADDRESS_FULL] = {"address-full", "has max-peers-per-address connections already"},
    [REFUSED_HANDSHAKES] = {"handshakes", "came when too many connections had not joined yet"},
    [REFUSED_ADDRESS_OVER] = {"address-over-limit", "has max-files-per-address records already"},
    [REFUSED_INDEX_FULL] = {"index-full", "sent a record, but FT has max-records already"},
    [REFUSED_TOO_FAST] = {"too-fast", "searches faster than search-rate and must wait"},
    [REFUSED_KICKED] = {"kicked", "was kicked by an administrator"},
};
_Static_assert(ELEMENTSOF(refusals) == _REFUSED_COUNT, "each refusal has a name");

const char *ft_refusal_name(FtRefusal refusal) {
    return refusals[refusal].name;
}

static void ft_arm_refused_timer(Ft *ft) {
    if (!timer_is_armed(ft->refused_timer))
        (void)timer_arm(ft->refused_timer, LOG_LIMIT_SEC * USEC_PER_SEC);
}

static LogFields ft_refusal_fields(FtRefusal refusal, const char *peer) {
    return (LogFields){.id = refusal == REFUSED_FULL ? EVENT_FULL : EVENT_REFUSED, .peer = peer};
}

static int ft_refusal_level(FtRefusal refusal) {
    return refusal == REFUSED_FULL ? LOG_WARNING : LOG_INFO;
}

// Reports the end of a flood: no later message would say how many refusals were not logged.
static int ft_on_refused_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                               void *userdata) {
    Ft *ft = userdata;

    for (FtRefusal i = 0; i < _REFUSED_COUNT; i++) {
        const LogFields fields = ft_refusal_fields(i, NULL);
        uint64_t n = log_limit_take(&ft->refused_log[i]);

        if (n > 0)
            log_event(ft_refusal_level(i), &fields,
                      "Refused %" PRIu64 " more time%s without logging each: a peer %s", n,
                      n == 1 ? "" : "s", refusals[i].sentence);
        if (ft->refused_log[i].suppressed > 0)
            ft_arm_refused_timer(ft);
    }
    return 0;
}

void ft_count_refusal(Ft *ft, const Endpoint *remote, FtRefusal refusal) {
    char text[ENDPOINT_TEXT_MAX];
    const LogFields fields = ft_refusal_fields(refusal, text);

    ft->refused[refusal]++;
    endpoint_format(remote, text);
    log_limited(&ft->refused_log[refusal], ft_refusal_level(refusal), &fields, "Refused: %s %s",
                text, refusals[refusal].sentence);
    if (ft->refused_log[refusal].suppressed > 0)
        ft_arm_refused_timer(ft);
}

// Lowers max-peers so that FT refuses peers before it runs out of file descriptors.
static void ft_limit_to_fds(FtConfig *config) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    if (config->max_peers + FD_MARGIN <= limit.rlim_cur)
        return;
    config->max_peers =
        limit.rlim_cur > 2 * FD_MARGIN ? limit.rlim_cur - FD_MARGIN : limit.rlim_cur / 2;
    log_notice("max-peers is %" PRIu64 ": this process may open %" PRIu64
               " files (LimitNOFILE= of the unit)",
               config->max_peers, (uint64_t)limit.rlim_cur);
}

static int ft_on_status_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                              void *userdata) {
    const Ft *ft = userdata;
    uint64_t records = index_records(ft->index);

    (void)sd_notifyf(false, "STATUS=%" PRIu32 " peer%s, %" PRIu64 " record%s", ft->accepted_count,
                     ft->accepted_count == 1 ? "" : "s", records, records == 1 ? "" : "s");
    return 0;
}

// Forgets departed peers with many records step by step, in between what arrives.
static bool ft_on_index_work(void *userdata) {
    const Ft *ft = userdata;

    return index_work(ft->index);
}

// free() keeps the memory of a burst if anything that stays was allocated behind it.
static void ft_give_burst_back(Ft *ft) {
    uint64_t held = poller_held(ft->poller);

    ft->held_most = MAX(ft->held_most, held);
    if (ft->held_most < BURST_BYTES || held > ft->held_most / 4)
        return;
    ft->held_most = held;
    (void)malloc_trim(0);
}

static void ft_on_batch_done(void *userdata) {
    Ft *ft = userdata;

    search_queue_run(&ft->search_queue);
    ft_give_burst_back(ft);
}

static void ft_apply_config(Ft *ft) {
    poller_set_held_max(ft->poller, ft->config.max_queues);
    ft->search_queue.results_max = ft->config.max_results;
}

int ft_new(sd_event *event, FtConfig *config, Ft **ret) {
    _cleanup_(ft_freep) Ft *ft = NULL;
    int r;

    ft = calloc(1, sizeof(*ft));
    if (!ft)
        return -ENOMEM;
    TAILQ_INIT(&ft->waiting);
    TAILQ_INIT(&ft->accepted);
    ft->event = sd_event_ref(event);
    r = poller_new(event, &ft->poller);
    if (r >= 0)
        r = admission_new(&ft->admission);
    if (r < 0)
        return r;
    poller_after_batch(ft->poller, ft_on_batch_done, ft);
    r = index_new(&ft->index);
    if (r >= 0) {
        search_queue_init(&ft->search_queue, ft->index);
        r = prober_new(event, ft->poller, &ft->prober);
    }
    if (r >= 0 && config->words)
        r = index_add_words(ft->index);
    if (r < 0)
        return r;
    r = timer_new(event, 0, ft_on_refused_timer, ft, &ft->refused_timer);
    if (r >= 0)
        r = timer_new(event, 0, ft_on_status_timer, ft, &ft->status_timer);
    if (r >= 0)
        r = timer_arm(ft->status_timer, 0);
    if (r < 0)
        return r;
    r = poller_set_work(ft->poller, ft_on_index_work, ft);
    if (r < 0)
        return r;
    ft->config = *config;
    *config = (FtConfig){};
    ft_limit_to_fds(&ft->config);
    ft_apply_config(ft);
    *ret = TAKE_PTR(ft);
    return 0;
}

void ft_close_sessions(Ft *ft) {
    Session *session, *next;

    TAILQ_FOREACH_SAFE (session, &ft->waiting, link, next)
        session_free(session);
    TAILQ_FOREACH_SAFE (session, &ft->accepted, link, next)
        session_free(session);
}

Ft *ft_free(Ft *ft) {
    if (!ft)
        return NULL;
    for (size_t i = 0; i < ft->listener_count; i++)
        listener_free(ft->listeners[i]);
    ft_close_sessions(ft);
    sd_event_source_disable_unref(ft->status_timer);
    sd_event_source_disable_unref(ft->refused_timer);
    sd_event_source_disable_unref(ft->bus_retry);
    sd_bus_flush_close_unref(ft->bus);
    prober_free(ft->prober);
    admission_free(ft->admission);
    index_free(ft->index);
    ft_config_done(&ft->config);
    slab_clear(&ft->session_memory);
    poller_free(ft->poller);
    sd_event_unref(ft->event);
    free(ft);
    return NULL;
}

// Takes every new connection: the oldest one that is not accepted makes room. There is no room only
// if all sessions are accepted peers.
static bool ft_make_room(Ft *ft, const Endpoint *remote) {
    bool full = ft->waiting_count + ft->accepted_count >= ft->config.max_peers;

    if (!full && ft->waiting_count < ft->config.max_handshakes)
        return true;
    ft_count_refusal(ft, remote, full ? REFUSED_FULL : REFUSED_HANDSHAKES);
    if (TAILQ_EMPTY(&ft->waiting))
        return false;
    session_free(TAILQ_FIRST(&ft->waiting));
    return true;
}

// One site cannot take the places of all others. Refusing its new connections needs no search for
// another one to close.
static bool ft_site_has_room(Ft *ft, const Endpoint *remote) {
    const Site site = admission_look(ft->admission, &remote->address);

    if (prefix_list_contains(&ft->config.limit_exempt, &remote->address))
        return true;
    if (site.sessions >= ft->config.max_peers_per_address)
        ft_count_refusal(ft, remote, REFUSED_ADDRESS_FULL);
    else if (site.handshakes >= ft->config.max_handshakes_per_address)
        ft_count_refusal(ft, remote, REFUSED_HANDSHAKES);
    else
        return true;
    return false;
}

static bool ft_is_allowed(Ft *ft, const Endpoint *remote) {
    if (ft_config_allows(&ft->config, &remote->address))
        return true;
    ft_count_refusal(ft, remote, REFUSED_DENIED);
    return false;
}

static void ft_on_connection(int fd, const Endpoint *remote, void *userdata) {
    Ft *ft = userdata;

    if (ft_is_allowed(ft, remote) && ft_site_has_room(ft, remote) && ft_make_room(ft, remote))
        session_new(ft, fd, remote);
    else
        close_fd(fd);
}

static int ft_add_listener(Ft *ft, int fd) {
    int r = listener_new(ft->event, fd, ft_on_connection, ft, &ft->listeners[ft->listener_count]);

    if (r >= 0)
        ft->listener_count++;
    return r;
}

static int ft_open_listeners(Ft *ft, int fds[], size_t n) {
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        r = ft_add_listener(ft, TAKE_FD(fds[i]));
    if (n > 0)
        return r;
    r = listener_open(&ft->config.listen);
    return r < 0 ? r : ft_add_listener(ft, r);
}

int ft_listen(Ft *ft, int fds[], size_t n) {
    char text[ENDPOINT_TEXT_MAX];
    int r;

    r = ft_open_listeners(ft, fds, n);
    if (r < 0)
        return listener_fail(&ft->config.listen, "p2p-ft", r);
    for (size_t i = 0; i < ft->listener_count; i++) {
        endpoint_format(listener_endpoint(ft->listeners[i]), text);
        log_info("Listening on %s", text);
    }
    return 0;
}

// Updates what `systemctl status` shows, a second later: when a whole lab boots, that is one
// message.
static void ft_update_status(Ft *ft) {
    if (!timer_is_armed(ft->status_timer))
        (void)timer_arm(ft->status_timer, USEC_PER_SEC);
}

// Ends each session for which `wanted` returns true. Returns how many.
static unsigned ft_end_sessions(Ft *ft,
                                bool (*wanted)(const Ft *ft, const Endpoint *remote,
                                               const void *key),
                                const void *key, FtRefusal refusal) {
    SessionList *const lists[] = {&ft->waiting, &ft->accepted};
    Session *session, *next;
    unsigned n = 0;

    for (size_t i = 0; i < ELEMENTSOF(lists); i++)
        TAILQ_FOREACH_SAFE (session, lists[i], link, next)
            if (wanted(ft, &session->stream.remote, key)) {
                ft_count_refusal(ft, &session->stream.remote, refusal);
                session_free(session);
                n++;
            }
    return n;
}

static bool ft_is_target(const Ft *ft _unused_, const Endpoint *remote, const void *key) {
    const Endpoint *whom = key;

    return address_equal(&remote->address, &whom->address) &&
           (whom->port == 0 || whom->port == remote->port);
}

unsigned ft_kick(Ft *ft, const Endpoint *whom) {
    return ft_end_sessions(ft, ft_is_target, whom, REFUSED_KICKED);
}

static bool ft_is_denied(const Ft *ft, const Endpoint *remote, const void *key _unused_) {
    return !ft_config_allows(&ft->config, &remote->address);
}

void ft_reconfigure(Ft *ft, FtConfig *config) {
    FtConfig changed = *config;
    size_t n = 0;

    *config = (FtConfig){};

    if (!endpoint_equal(&changed.listen, &ft->config.listen)) {
        log_notice("listen has changed: restart p2p-ft to use it");
        ft->restart_needed[n++] = "listen";
        changed.listen = ft->config.listen;
    }
    if (changed.words != ft->config.words) {
        log_notice("words has changed: restart p2p-ft to use it");
        ft->restart_needed[n++] = "words";
        changed.words = ft->config.words;
    }
    ft->restart_needed[n] = NULL;
    ft_limit_to_fds(&changed);
    ft_config_done(&ft->config);
    ft->config = changed;
    ft_apply_config(ft);
    (void)ft_end_sessions(ft, ft_is_denied, NULL, REFUSED_DENIED);
    log_info("Configuration reloaded: max-peers %" PRIu64 ", max-files-per-peer %" PRIu64,
             changed.max_peers, changed.max_files_per_peer);
}

FtMemory ft_memory(const Ft *ft) {
    return (FtMemory){
        .records = index_record_bytes(ft->index),
        .words = index_word_bytes(ft->index),
        .sessions = ft->session_memory.bytes + admission_bytes(ft->admission),
        .buffers = poller_held(ft->poller),
    };
}

bool ft_is_local(Ft *ft, const IpAddress *address) {
    uint64_t now = time_monotonic();

    if (now >= ft->local.until || !address_equal(address, &ft->local.address)) {
        ft->local.address = *address;
        ft->local.is_local = address_is_local(address);
        ft->local.until = now + LOCAL_USEC;
        ft->turn_work += LOCAL_WORK;
    }
    return ft->local.is_local;
}

void ft_session_added(Ft *ft, Session *session) {
    TAILQ_INSERT_TAIL(&ft->waiting, session, link);
    ft->waiting_count++;
}

void ft_session_accepted(Ft *ft, Session *session) {
    char text[ENDPOINT_TEXT_MAX];

    TAILQ_REMOVE(&ft->waiting, session, link);
    ft->waiting_count--;
    admission_site(ft->admission, session->site)->handshakes--;
    TAILQ_INSERT_TAIL(&ft->accepted, session, link);
    ft->accepted_count++;
    ft->joins++;
    endpoint_format(&session->stream.remote, text);
    log_debug("%s has joined with %zu record%s", text, index_owner_count(session->owner),
              index_owner_count(session->owner) == 1 ? "" : "s");
    ft_update_status(ft);
}

void ft_session_removed(Ft *ft, Session *session) {
    Site *site = admission_site(ft->admission, session->site);

    site->handshakes -= session->state != SESSION_ACCEPTED;
    site->records -= index_owner_count(session->owner);
    admission_leave(ft->admission, session->site);
    // Its last records may still need to be removed, step by step.
    if (session->owner)
        poller_has_work(ft->poller);
    if (session->state != SESSION_ACCEPTED) {
        TAILQ_REMOVE(&ft->waiting, session, link);
        ft->waiting_count--;
        return;
    }
    TAILQ_REMOVE(&ft->accepted, session, link);
    ft->accepted_count--;
    ft_update_status(ft);
}
