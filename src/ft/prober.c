// SPDX-License-Identifier: MIT

#include "ft/prober.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "net/stream.h"
#include "util/time-util.h"

enum {
    PROBES_AT_ONCE = 32, // part of FD_MARGIN in ft.c
};

// A hundred in a second: a lab of a thousand peers that comes back with FT is known in ten.
static const uint64_t PROBE_EVERY_USEC = USEC_PER_SEC / 100;
// As long as a peer waits for another one.
static const uint64_t PROBE_TIMEOUT_USEC = 5 * USEC_PER_SEC;

struct Probe {
    Prober *prober;
    TAILQ_ENTRY(Probe) link; // in prober->waiting, until it has begun
    Stream stream;
    Endpoint remote;
    ProbeHandler handler;
    void *userdata;
    bool begun;
};

struct Prober {
    Poller *poller;
    TAILQ_HEAD(, Probe) waiting;
    unsigned active;
    uint64_t next;          // CLOCK_MONOTONIC µs: none begins before that
    sd_event_source *timer; // on while one waits for that moment
};

// Lacks of ours say nothing of the peer.
static Reachability result_of(int error) {
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

static void finish(Probe *probe, int error) {
    ProbeHandler handler = probe->handler;
    void *userdata = probe->userdata;

    probe_free(probe);
    handler(result_of(error), userdata);
}

static int on_connected(Stream *stream _unused_) {
    return -EISCONN; // that was all
}

static int on_data(Stream *stream _unused_, const char *data _unused_, size_t len _unused_,
                   bool eof _unused_, size_t *ret_consumed _unused_) {
    return -EISCONN;
}

static void on_closed(Stream *stream, int error) {
    finish(container_of(stream, Probe, stream), error);
}

static const StreamOps stream_ops = {
    .on_data = on_data,
    .on_connected = on_connected,
    .on_closed = on_closed,
};

static void begin(Probe *probe) {
    Prober *prober = probe->prober;
    int r;

    TAILQ_REMOVE(&prober->waiting, probe, link);
    prober->active++;
    probe->begun = true;
    r = stream_connect(&probe->stream, prober->poller, &stream_ops, &probe->remote, 0);
    if (r >= 0)
        r = stream_set_timeout(&probe->stream, PROBE_TIMEOUT_USEC);
    if (r < 0)
        finish(probe, r);
}

// Sees to it that the next one begins when it may.
static void arm(Prober *prober) {
    bool any = !TAILQ_EMPTY(&prober->waiting) && prober->active < PROBES_AT_ONCE;

    (void) sd_event_source_set_time(prober->timer, prober->next);
    (void) sd_event_source_set_enabled(prober->timer, any ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    Prober *prober = userdata;
    Probe *probe = TAILQ_FIRST(&prober->waiting);

    if (!probe)
        return 0;
    prober->next = time_monotonic() + PROBE_EVERY_USEC;
    begin(probe);
    arm(prober);
    return 0;
}

int prober_new(sd_event *event, Poller *poller, Prober **ret) {
    _cleanup_(prober_freep) Prober *prober = NULL;
    int r;

    prober = calloc(1, sizeof(*prober));
    if (!prober)
        return -ENOMEM;
    TAILQ_INIT(&prober->waiting);
    prober->poller = poller;
    r = sd_event_add_time(event, &prober->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer,
                          prober);
    if (r < 0)
        return r;
    arm(prober);
    *ret = TAKE_PTR(prober);
    return 0;
}

Prober *prober_free(Prober *prober) {
    if (!prober)
        return NULL;
    sd_event_source_disable_unref(prober->timer);
    free(prober);
    return NULL;
}

int prober_try(Prober *prober, const Endpoint *remote, ProbeHandler handler, void *userdata,
               Probe **ret) {
    Probe *probe = calloc(1, sizeof(*probe));

    if (!probe)
        return -ENOMEM;
    *probe = (Probe){
        .prober = prober,
        .stream = STREAM_INIT,
        .remote = *remote,
        .handler = handler,
        .userdata = userdata,
    };
    TAILQ_INSERT_TAIL(&prober->waiting, probe, link);
    arm(prober);
    *ret = probe;
    return 0;
}

Probe *probe_free(Probe *probe) {
    Prober *prober;

    if (!probe)
        return NULL;
    prober = probe->prober;
    if (probe->begun)
        prober->active--;
    else
        TAILQ_REMOVE(&prober->waiting, probe, link);
    stream_close(&probe->stream);
    free(probe);
    arm(prober);
    return NULL;
}
