// SPDX-License-Identifier: MIT

#include "fake-net.h"

#include <string.h>

#include "check.h"
#include "ft/prober.h"
#include "net/listener.h"
#include "net/poller.h"
#include "util/macro.h"

static const uint64_t HOLD_USEC = 10 * USEC_PER_SEC;

FakeConnection fake_connections[FAKE_CONNECTIONS];

// ------------------------------------------------------------------------------------------ poller

struct Poller {
    sd_event *event;
    void (*done)(void *userdata);
    void *userdata;
    bool in_batch;
    bool later[FAKE_CONNECTIONS];
    bool (*work)(void *userdata);
    void *work_userdata;
    bool has_work;
    TAILQ_HEAD(, PollTurn) turns;
};

static Poller *the_poller;

int poller_new(sd_event *event, Poller **ret) {
    *ret = the_poller = calloc(1, sizeof(*the_poller));
    if (!the_poller)
        return -ENOMEM;
    the_poller->event = event;
    TAILQ_INIT(&the_poller->turns);
    return 0;
}

Poller *poller_free(Poller *poller) {
    free(poller);
    the_poller = NULL;
    return NULL;
}

sd_event *poller_event(Poller *poller) {
    return poller->event;
}

void poller_set_held_max(Poller *poller _unused_, uint64_t max _unused_) {
}

uint64_t poller_held(const Poller *poller _unused_) {
    return 0;
}

int poller_set_work(Poller *poller, bool (*work)(void *userdata), void *userdata) {
    poller->work = work;
    poller->work_userdata = userdata;
    return 0;
}

void poller_has_work(Poller *poller) {
    poller->has_work = true;
}

void poller_wait_turn(Poller *poller, PollTurn *turn, PollWatch *watch) {
    if (turn->watch)
        return;
    turn->watch = watch;
    TAILQ_INSERT_TAIL(&poller->turns, turn, link);
    poller->has_work = true;
}

void poller_leave_turn(Poller *poller, PollTurn *turn) {
    if (!turn->watch)
        return;
    TAILQ_REMOVE(&poller->turns, turn, link);
    turn->watch = NULL;
}

void poller_after_batch(Poller *poller, void (*done)(void *userdata), void *userdata) {
    poller->done = done;
    poller->userdata = userdata;
}

// ------------------------------------------------------------------------------------------ stream

static FakeConnection *connection_of(const Stream *stream) {
    return &fake_connections[stream->fd];
}

static bool later(const Stream *stream) {
    if (the_poller->in_batch)
        the_poller->later[stream->fd] = true;
    return the_poller->in_batch;
}

static void fail(Stream *stream, int error) {
    stream_close(stream);
    stream->ops->on_closed(stream, error);
}

int stream_accept(Stream *stream, Poller *poller, const StreamOps *ops, int fd,
                  const Endpoint *remote, size_t out_max) {
    *stream = (Stream){
        .watch.fd = -EBADF,
        .ops = ops,
        .poller = poller,
        .out_max = (uint32_t)out_max,
        .remote = *remote,
        .fd = fd,
    };
    buffer_clear(&fake_connections[fd].sent);
    fake_connections[fd] = (FakeConnection){.stream = stream};
    stream->work = &fake_connections[fd].work;
    return 0;
}

int stream_connect(Stream *stream, Poller *poller, const StreamOps *ops, const Endpoint *remote,
                   size_t out_max) {
    static uint32_t serial;
    int fd = 0;

    while (fd < FAKE_CONNECTIONS && fake_connections[fd].stream)
        fd++;
    CHECK(fd < FAKE_CONNECTIONS);
    stream_accept(stream, poller, ops, fd, remote, out_max);
    stream->work->connecting = true;
    fake_connections[fd].serial = ++serial;
    return 0;
}

void stream_keep_alive(Stream *stream _unused_) {
}

Buffer *stream_out(Stream *stream) {
    return &stream->work->out;
}

static int send_queued(Stream *stream) {
    FakeConnection *connection = connection_of(stream);

    if (connection->slow || stream->work->out.size == 0)
        return 0;
    CHECK(buffer_append(&connection->sent, buffer_data(&stream->work->out),
                        stream->work->out.size) >= 0);
    buffer_clear(&stream->work->out);
    return 0;
}

int stream_flush(Stream *stream) {
    if (stream->fd < 0)
        return 0;
    if (stream->work->error < 0)
        return stream->work->error;
    (void)send_queued(stream);
    return stream->work->out.size > stream->out_max ? -ENOBUFS : 0;
}

void stream_flush_later(Stream *stream) {
    if (!later(stream))
        (void)stream_flush(stream);
}

void stream_fail_later(Stream *stream, int error) {
    stream->work->error = error;
    stream_flush_later(stream);
}

static int deliver(Stream *stream) {
    size_t consumed = 0;
    int r;

    r = stream->ops->on_data(stream, buffer_data(&stream->work->in) ?: "", stream->work->in.size,
                             stream->work->eof, &consumed);
    if (stream->fd < 0)
        return r;
    if (r < 0) {
        (void)send_queued(stream);
        return r;
    }
    CHECK(consumed <= stream->work->in.size);
    buffer_consume(&stream->work->in, consumed);
    return later(stream) ? 0 : stream_flush(stream);
}

int stream_reconsider(Stream *stream) {
    return deliver(stream);
}

void stream_pause(Stream *stream) {
    stream->work->paused = true;
}

// Delivers what arrived while the stream was paused.
static int receive_arrived(Stream *stream) {
    FakeConnection *connection = connection_of(stream);
    int r;

    if (connection->arrived.size > 0) {
        CHECK(buffer_append(&stream->work->in, buffer_data(&connection->arrived),
                            connection->arrived.size) >= 0);
        buffer_clear(&connection->arrived);
        r = deliver(stream);
        if (r < 0 || stream->fd < 0 || stream->work->paused)
            return r;
    }
    if (!connection->ended)
        return 0;
    stream->work->eof = true;
    return deliver(stream);
}

static void settle(Stream *stream, int r) {
    if (r < 0)
        fail(stream, r);
    else if (stream->fd >= 0 && stream->work->eof && !stream->work->paused &&
             stream->work->out.size == 0)
        fail(stream, 0);
}

static void resume(Stream *stream) {
    int r;

    stream->work->paused = false;
    stream->work->on_hold = 0;
    r = deliver(stream);
    if (r >= 0 && stream->fd >= 0 && !stream->work->paused)
        r = receive_arrived(stream);
    settle(stream, r);
}

void stream_yield(Stream *stream) {
    stream_pause(stream);
    poller_wait_turn(stream->poller, &stream->work->turn, &stream->watch);
}

int stream_hold(Stream *stream) {
    CHECK(stream->work->out.size > 0);
    stream_pause(stream);
    stream->work->on_hold = 1;
    return stream_set_timeout(stream, HOLD_USEC);
}

bool stream_is_on_hold(const Stream *stream) {
    return stream->work->on_hold > 0;
}

const Buffer *stream_unsent(const Stream *stream) {
    return &stream->work->out;
}

const Buffer *stream_unconsumed(const Stream *stream) {
    return &stream->work->in;
}

int stream_restore(Stream *stream, const void *data, size_t len) {
    return buffer_append(&stream->work->in, data, len);
}

int stream_set_timeout(Stream *stream, uint64_t usec) {
    connection_of(stream)->timeout_at = usec ? fake_now + usec : 0;
    return 0;
}

void stream_close(Stream *stream) {
    if (stream->fd >= 0) {
        connection_of(stream)->stream = NULL;
        the_poller->later[stream->fd] = false;
        buffer_clear(&connection_of(stream)->arrived);
    }
    if (stream->work) {
        poller_leave_turn(stream->poller, &stream->work->turn);
        buffer_clear(&stream->work->in);
        buffer_clear(&stream->work->out);
    }
    stream->fd = -EBADF;
}

// ---------------------------------------------------------------------------------------- listener

int listener_open(const Endpoint *endpoint _unused_) {
    return -EADDRINUSE;
}

int listener_fail(const Endpoint *endpoint _unused_, const char *program _unused_, int r) {
    return r;
}

int listener_new(sd_event *event _unused_, int fd _unused_, AcceptHandler handler _unused_,
                 void *userdata _unused_, Listener **ret _unused_) {
    return -EADDRINUSE;
}

Listener *listener_free(Listener *listener _unused_) {
    return NULL;
}

const Endpoint *listener_endpoint(const Listener *listener _unused_) {
    return NULL;
}

// ------------------------------------------------------------------------------------------ prober

struct Probe {
    TAILQ_ENTRY(Probe) link;
    Prober *prober;
    ProbeHandler handler;
    void *userdata;
};

struct Prober {
    TAILQ_HEAD(, Probe) probes;
};

static Prober *the_prober;

int prober_new(sd_event *event _unused_, Poller *poller _unused_, Prober **ret) {
    *ret = the_prober = calloc(1, sizeof(*the_prober));
    if (!the_prober)
        return -ENOMEM;
    TAILQ_INIT(&the_prober->probes);
    return 0;
}

Prober *prober_free(Prober *prober) {
    CHECK(!prober || TAILQ_EMPTY(&prober->probes));
    free(prober);
    the_prober = NULL;
    return NULL;
}

int prober_try(Prober *prober, SiteId site, const Endpoint *remote, ProbeHandler handler,
               void *userdata, Probe **ret) {
    Probe *probe = calloc(1, sizeof(*probe));

    CHECK(probe && site > 0 && remote->port > 0);
    *probe = (Probe){.prober = prober, .handler = handler, .userdata = userdata};
    TAILQ_INSERT_TAIL(&prober->probes, probe, link);
    *ret = probe;
    return 0;
}

Probe *probe_free(Probe *probe) {
    if (!probe)
        return NULL;
    TAILQ_REMOVE(&probe->prober->probes, probe, link);
    free(probe);
    return NULL;
}

// ---------------------------------------------------------------------------- what the fuzzer says

void fake_batch_begin(void) {
    the_poller->in_batch = true;
}

void fake_receive(size_t number, const uint8_t *data, size_t len) {
    Stream *stream = fake_connections[number].stream;

    if (!stream || stream->work->eof || stream->work->connecting)
        return;
    if (stream->work->paused) {
        if (!fake_connections[number].ended)
            CHECK(buffer_append(&fake_connections[number].arrived, data, len) >= 0);
        fake_connections[number].ended |= len == 0;
        return;
    }
    stream->work->eof = len == 0;
    CHECK(buffer_append(&stream->work->in, data, len) >= 0);
    settle(stream, deliver(stream));
}

void fake_batch_end(void) {
    if (the_poller->done)
        the_poller->done(the_poller->userdata);
    the_poller->in_batch = false;
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
        if (!the_poller->later[i])
            continue;
        the_poller->later[i] = false;
        settle(fake_connections[i].stream, stream_flush(fake_connections[i].stream));
    }
}

void fake_connected(size_t number) {
    Stream *stream = fake_connections[number].stream;
    int r;

    if (!stream || !stream->work->connecting)
        return;
    stream->work->connecting = false;
    r = stream->ops->on_connected(stream);
    settle(stream, r < 0 ? r : stream_flush(stream));
}

static void take_turn(void) {
    PollTurn *turn = TAILQ_FIRST(&the_poller->turns);
    Stream *stream;

    if (!turn)
        return;
    stream = container_of(turn->watch, Stream, watch);
    poller_leave_turn(the_poller, turn);
    resume(stream);
}

void fake_work(void) {
    while (the_poller->has_work) {
        fake_batch_begin();
        take_turn();
        the_poller->has_work =
            the_poller->work(the_poller->work_userdata) || !TAILQ_EMPTY(&the_poller->turns);
        fake_batch_end();
    }
}

static void expire(size_t number) {
    FakeConnection *connection = &fake_connections[number];
    Stream *stream = connection->stream;
    int r;

    connection->timeout_at = 0;
    r = stream_is_on_hold(stream) ? -ENOBUFS : stream->ops->on_timeout(stream);
    if (r < 0)
        fail(stream, r);
}

void fake_advance(uint64_t usec) {
    const uint64_t end = fake_now + usec;

    // Runs timers in order of time. A timer may arm another one that is due as well.
    for (int rounds = 0; rounds < 1000; rounds++) {
        size_t next = FAKE_CONNECTIONS;

        for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
            const FakeConnection *c = &fake_connections[i];

            if (c->stream && c->timeout_at > 0 && c->timeout_at <= end &&
                (next == FAKE_CONNECTIONS || c->timeout_at < fake_connections[next].timeout_at))
                next = i;
        }
        if (next == FAKE_CONNECTIONS)
            break;
        fake_now = MAX(fake_now, fake_connections[next].timeout_at);
        expire(next);
        CHECK(rounds < 999); // a timer is always due
    }
    fake_now = end;
}

void fake_writable(size_t number) {
    Stream *stream = fake_connections[number].stream;

    fake_connections[number].slow = false;
    if (!stream)
        return;
    settle(stream, stream_flush(stream));
    if (fake_connections[number].stream && stream_is_on_hold(stream))
        resume(stream);
}

void fake_reset(size_t number) {
    if (fake_connections[number].stream)
        fail(fake_connections[number].stream, -ECONNRESET);
}

void fake_probed(Reachability result) {
    Probe *probe = TAILQ_FIRST(&the_prober->probes);
    ProbeHandler handler;
    void *userdata;

    if (!probe)
        return;
    handler = probe->handler;
    userdata = probe->userdata;
    probe_free(probe);
    handler(result, userdata);
}
