// SPDX-License-Identifier: MIT

#include "ft/prober.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "net/stream.h"
#include "util/array.h"
#include "util/time-util.h"
#include "util/timer.h"

enum {
    PROBES_AT_ONCE = 32, // part of FD_MARGIN in ft.c
    SITES_MIN = 64,
};

// A hundred probes a second: after a restart, a lab of a thousand peers is known in ten seconds.
static const uint64_t PROBE_EVERY_USEC = USEC_PER_SEC / 100;
// A peer waits as long for another peer.
static const uint64_t PROBE_TIMEOUT_USEC = 5 * USEC_PER_SEC;

// A site with probes. The sites that may start a probe take turns. So neither a site with many
// peers nor one whose packets get lost keeps the others waiting.
typedef struct ProbeSite {
    SiteId id;
    TAILQ_HEAD(, Probe) waiting;
    unsigned active;
    // In prober->ready: a probe waits, and the site has fewer than PROBES_PER_SITE running.
    bool ready;
    TAILQ_ENTRY(ProbeSite) link; // in prober->ready
} ProbeSite;

struct Probe {
    Prober *prober;
    ProbeSite *site;
    TAILQ_ENTRY(Probe) link; // in site->waiting, until it has begun
    Stream stream;
    Endpoint remote;
    ProbeHandler handler;
    void *userdata;
    bool begun;
};

struct Prober {
    Poller *poller;
    ProbeSite **sites; // by SiteId; NULL: no probes
    size_t site_capacity;
    TAILQ_HEAD(, ProbeSite) ready;
    unsigned active;
    uint64_t next;          // CLOCK_MONOTONIC µs: no probe begins before
    sd_event_source *timer; // on while a probe waits for `next`
};

// An error on our side says nothing about the peer.
static Reachability probe_result_of(int error) {
    switch (error) {
    case -EISCONN:
        return REACHABLE_YES;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
    case -EINVAL:
    case -EPERM:
        return REACHABLE_UNKNOWN;
    default:
        return REACHABLE_NO;
    }
}

static void probe_finish(Probe *probe, int error) {
    ProbeHandler handler = probe->handler;
    void *userdata = probe->userdata;

    probe_free(probe);
    handler(probe_result_of(error), userdata);
}

static int probe_on_connected(Stream *stream _unused_) {
    return -EISCONN; // connected, which is all a probe needs
}

static int probe_on_data(Stream *stream _unused_, const char *data _unused_, size_t len _unused_,
                         bool eof _unused_, size_t *ret_consumed _unused_) {
    return -EISCONN;
}

static void probe_on_closed(Stream *stream, int error) {
    probe_finish(container_of(stream, Probe, stream), error);
}

static const StreamOps stream_ops = {
    .on_data = probe_on_data,
    .on_connected = probe_on_connected,
    .on_closed = probe_on_closed,
};

// Call it after any change of the site. It may free the site.
static void prober_site_changed(Prober *prober, ProbeSite *site) {
    bool ready = !TAILQ_EMPTY(&site->waiting) && site->active < PROBES_PER_SITE;

    if (ready && !site->ready)
        TAILQ_INSERT_TAIL(&prober->ready, site, link);
    else if (!ready && site->ready)
        TAILQ_REMOVE(&prober->ready, site, link);
    site->ready = ready;
    if (site->active > 0 || !TAILQ_EMPTY(&site->waiting))
        return;
    prober->sites[site->id] = NULL;
    free(site);
}

static int prober_reserve_sites(Prober *prober, SiteId id) {
    const size_t before = prober->site_capacity;
    int r = ARRAY_RESERVE(prober->sites, prober->site_capacity, (size_t)id + 1, SITES_MIN);

    if (r >= 0 && prober->site_capacity > before)
        memset(prober->sites + before, 0,
               (prober->site_capacity - before) * sizeof(*prober->sites));
    return r;
}

// Returns the site, which is created for its first probe. NULL: out of memory.
static ProbeSite *prober_site(Prober *prober, SiteId id) {
    ProbeSite *site;

    if (prober_reserve_sites(prober, id) < 0)
        return NULL;
    if (prober->sites[id])
        return prober->sites[id];
    site = calloc(1, sizeof(*site));
    if (!site)
        return NULL;
    site->id = id;
    TAILQ_INIT(&site->waiting);
    return prober->sites[id] = site;
}

static void probe_begin(Probe *probe) {
    Prober *prober = probe->prober;
    ProbeSite *site = probe->site;
    int r;

    TAILQ_REMOVE(&site->waiting, probe, link);
    site->active++;
    prober->active++;
    probe->begun = true;
    // Other sites come first.
    TAILQ_REMOVE(&prober->ready, site, link);
    site->ready = false;
    prober_site_changed(prober, site);
    r = stream_connect(&probe->stream, prober->poller, &stream_ops, &probe->remote, 0);
    if (r >= 0)
        r = stream_set_timeout(&probe->stream, PROBE_TIMEOUT_USEC);
    if (r < 0)
        probe_finish(probe, r);
}

// Arms the timer for the next probe.
static void prober_arm(Prober *prober) {
    bool any = !TAILQ_EMPTY(&prober->ready) && prober->active < PROBES_AT_ONCE;

    if (any)
        (void)timer_arm_at(prober->timer, prober->next);
    else
        timer_stop(prober->timer);
}

static int prober_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                           void *userdata) {
    Prober *prober = userdata;
    ProbeSite *site = TAILQ_FIRST(&prober->ready);

    if (!site)
        return 0;
    prober->next = time_monotonic() + PROBE_EVERY_USEC;
    probe_begin(TAILQ_FIRST(&site->waiting));
    prober_arm(prober);
    return 0;
}

int prober_new(sd_event *event, Poller *poller, Prober **ret) {
    _cleanup_(prober_freep) Prober *prober = NULL;
    int r;

    prober = calloc(1, sizeof(*prober));
    if (!prober)
        return -ENOMEM;
    TAILQ_INIT(&prober->ready);
    prober->poller = poller;
    r = timer_new(event, USEC_PER_MSEC, prober_on_timer, prober, &prober->timer);
    if (r < 0)
        return r;
    prober_arm(prober);
    *ret = TAKE_PTR(prober);
    return 0;
}

Prober *prober_free(Prober *prober) {
    if (!prober)
        return NULL;
    sd_event_source_disable_unref(prober->timer);
    free(prober->sites);
    free(prober);
    return NULL;
}

int prober_try(Prober *prober, SiteId id, const Endpoint *remote, ProbeHandler handler,
               void *userdata, Probe **ret) {
    _cleanup_free_ Probe *probe = calloc(1, sizeof(*probe));
    ProbeSite *site;

    if (!probe)
        return -ENOMEM;
    site = prober_site(prober, id);
    if (!site)
        return -ENOMEM;
    *probe = (Probe){
        .prober = prober,
        .site = site,
        .stream = STREAM_INIT,
        .remote = *remote,
        .handler = handler,
        .userdata = userdata,
    };
    TAILQ_INSERT_TAIL(&site->waiting, probe, link);
    prober_site_changed(prober, site);
    prober_arm(prober);
    *ret = TAKE_PTR(probe);
    return 0;
}

Probe *probe_free(Probe *probe) {
    Prober *prober;

    if (!probe)
        return NULL;
    prober = probe->prober;
    if (probe->begun) {
        probe->site->active--;
        prober->active--;
    } else
        TAILQ_REMOVE(&probe->site->waiting, probe, link);
    prober_site_changed(prober, probe->site);
    stream_close(&probe->stream);
    free(probe);
    prober_arm(prober);
    return NULL;
}
