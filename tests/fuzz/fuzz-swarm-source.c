// SPDX-License-Identifier: MIT

// A verified download from up to four peers that may lie, on fake-socket.c and fake-event.c. Input:
// two bytes that say what is downloaded, then what the peers send, as it is, and in between bytes
// that are no text (enum Op): connections, true and wrong bytes of the file, the verify thread, and
// the clock. Whatever the peers send: a piece counts only if it is right, each piece has one
// writer, no piece is lost, and requests are well-formed. At the end an honest peer joins, and the
// download has to finish.

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake-clock.h"
#include "fake-event.h"
#include "fake-socket.h"
#include "fuzz.h"
#include "proto/http-value.h"
#include "util/log.h"
#include "util/time-util.h"

// What is under test.
#include "peer/swarm/swarm-internal.h"

typedef enum Op {
    OP_PEER = 1, // another peer says what follows, the next byte: which
    OP_DELIVER,  // what it has said so far arrives now
    OP_WAIT,     // so many times 50 ms, the next byte
    OP_END,      // it sends no more
    OP_RESET,
    OP_CONNECTED,
    OP_REFUSED,
    OP_HEAD,        // a right head for what it was asked for
    OP_BODY = 11,   // as many times 8 KiB of the body, the next byte, and one more
    OP_WRONG,       // the same, with a wrong byte at its start
    OP_VERIFY = 14, // the verify thread sleeps, or wakes up
    OP_ADD,         // FT names one more peer, the next byte: which
    OP_STOP,        // nobody wants the file any more
    OP_ESCAPE,
    _OP_END,
} Op;

enum {
    PEERS = 4,
    HONEST = PEERS, // the one that comes at the end
    TRUTH_BYTES = 2 * PIECE_BYTES_MIN + 5,
    BODY_BYTES = 8192,
    // The first byte: the size of the file, and what of it is on disk already. The second: the
    // rest.
    START_SIZE = 3,
    START_FIRST_PIECE = 4,
    START_GARBAGE = 8,
    START_PEERS = 3,
    START_SLOW = 4, // the download is throttled
};

static const uint64_t sizes[] = {5, 70000, PIECE_BYTES_MIN, TRUTH_BYTES};
// A peer that has not answered by then is no longer waited for.
static const uint64_t PATIENCE_USEC = 11 * USEC_PER_SEC;
static const uint64_t SLOW_RATE = 256 * 1024; // bytes per second

// What a peer was asked for last.
typedef struct FakePeer {
    size_t parsed; // bytes of what the daemon has sent
    bool asked, layer;
    uint64_t at, end; // of the file, or of the piece layer: what the answer has to bring yet
    Buffer outgoing;  // to arrive
} FakePeer;

typedef struct Fuzz {
    Swarm *swarm; // NULL: over
    int result;
    uint64_t size;
    FakePeer peers[PEERS + 1];
    size_t current;
    bool sleeps, stopped;
    uint64_t seen; // pieces that are there and have been compared, a bit each
} Fuzz;

static SwarmEngine *engine;
static LoopThread *thread;
static RateLimit limit;
static char *truth, *disk; // the bytes of the file, and of what was downloaded
static int disk_fd;
static MerkleHash roots[ELEMENTSOF(sizes)], layer[3]; // `layer` is that of the longest

// ----------------------------------------------------------------------------------- what is there

static void hash_truth(size_t which) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    uint64_t size = sizes[which];

    CHECK(merkle_new(&merkle) >= 0);
    CHECK(merkle_update(merkle, truth, size) >= 0);
    CHECK(merkle_finish(merkle, &roots[which]) >= 0);
    if (size != TRUTH_BYTES)
        return;
    for (uint64_t i = 0; i < piece_count(size); i++) {
        CHECK(merkle_update(merkle, truth + i * piece_bytes(size), piece_len(size, i)) >= 0);
        CHECK(merkle_finish_piece(merkle, size, &layer[i]) >= 0);
    }
}

// Once: none of it depends on the input.
static void set_up(void) {
    if (engine)
        return;
    log_set_max_level(LOG_EMERG);
    truth = malloc(TRUTH_BYTES);
    CHECK(truth);
    for (size_t i = 0; i < TRUTH_BYTES; i++)
        truth[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
        hash_truth(i);
    disk_fd = memfd_create("download", MFD_CLOEXEC);
    CHECK(disk_fd >= 0 && ftruncate(disk_fd, TRUTH_BYTES) >= 0);
    disk = mmap(NULL, TRUTH_BYTES, PROT_READ, MAP_SHARED, disk_fd, 0);
    CHECK(disk != MAP_FAILED);
    CHECK(loop_thread_new(NULL, "download", &thread) >= 0);
    CHECK(swarm_engine_new(thread, &limit, &engine) >= 0);
}

// --------------------------------------------------------------------------------------- the peers

static Endpoint endpoint_of(size_t number) {
    return (Endpoint){
        .address = {.family = AF_INET, .v4.s_addr = htonl(0xc0000201u + (uint32_t)number)},
        .port = 5556,
    };
}

static FakeSocket *socket_of(size_t number) {
    const Endpoint endpoint = endpoint_of(number);

    for (size_t i = 0; i < FAKE_SOCKETS; i++) {
        Endpoint remote;

        if (!fake_sockets[i].open)
            continue;
        remote = endpoint_from_sockaddr(&fake_sockets[i].remote);
        if (endpoint_equal(&remote, &endpoint))
            return &fake_sockets[i];
    }
    return NULL;
}

static void say(FakePeer *peer, const void *data, size_t len) {
    CHECK(buffer_append(&peer->outgoing, data, len) >= 0);
}

static void take_request(const Fuzz *fuzz, FakePeer *peer, const HttpHead *head) {
    uint64_t piece = piece_bytes(fuzz->size), last;
    char target[256], root[MERKLE_TEXT_BYTES + 1];
    HttpText text;

    merkle_hash_format(&fuzz->swarm->root, root);
    CHECK(http_text_equal(head->method, "GET") && head->minor == 1);
    CHECK(http_head_find(head, "host", &text) >= 0);
    peer->asked = true;
    peer->layer = memmem(head->target.data, head->target.len, "/pieces/", 8);
    snprintf(target, sizeof(target), peer->layer ? "/pieces/%s" : "/file/%s/a%%20%%C3%%A4.bin",
             root);
    CHECK(http_text_equal(head->target, target));
    if (peer->layer) {
        peer->at = 0;
        peer->end = piece_count(fuzz->size) * sizeof(MerkleHash);
        return;
    }
    CHECK(http_head_find(head, "range", &text) >= 0);
    CHECK(http_parse_range(text, fuzz->size, &peer->at, &last) == HTTP_RANGE_PART);
    peer->end = last + 1;
    CHECK(peer->at % piece == 0 && (peer->end % piece == 0 || peer->end == fuzz->size));
}

// Reads what the daemon has asked for since.
static void check_requests(Fuzz *fuzz) {
    for (size_t i = 0; i <= PEERS; i++) {
        FakePeer *peer = &fuzz->peers[i];
        const FakeSocket *s = socket_of(i);
        HttpHead head;

        if (!s || s->sent.size < peer->parsed) {
            peer->parsed = 0;
            peer->asked = false;
        }
        if (!s || s->sent.size == peer->parsed)
            continue;
        CHECK(http_request_parse(buffer_data(&s->sent) + peer->parsed, s->sent.size - peer->parsed,
                                 &head) == HTTP_OK);
        peer->parsed += head.len;
        CHECK(peer->parsed == s->sent.size);
        take_request(fuzz, peer, &head);
    }
}

static void say_head(const Fuzz *fuzz, FakePeer *peer) {
    char head[256];

    if (!peer->asked)
        return;
    if (peer->layer)
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %" PRIu64 "\r\n\r\n",
                 peer->end);
    else
        snprintf(head, sizeof(head),
                 "HTTP/1.1 206 Partial Content\r\nContent-Length: %" PRIu64
                 "\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                 peer->end - peer->at, peer->at, peer->end - 1, fuzz->size);
    say(peer, head, strlen(head));
}

static void say_body(FakePeer *peer, uint64_t bytes, bool wrong) {
    const char *whole = peer->layer ? (const char *)layer : truth;
    uint64_t n = MIN(bytes, peer->end - peer->at);
    char byte;

    if (!peer->asked || n == 0)
        return;
    byte = (char)(whole[peer->at] ^ wrong);
    say(peer, &byte, 1);
    say(peer, whole + peer->at + 1, n - 1);
    peer->at += n;
}

// -------------------------------------------------------------------------------------- invariants

static bool is_connected(const SwarmSource *source) {
    return source->state != SOURCE_RESTING && source->state != SOURCE_DROPPED;
}

static size_t count_writers(const Swarm *swarm, uint64_t piece) {
    const SwarmSource *source;
    size_t n = 0;

    TAILQ_FOREACH (source, &swarm->sources, link)
        n += source->piece <= piece && piece < source->run_end;
    return n;
}

// Each piece is compared when it is first there, and all of them at the end: to compare takes
// longest.
static void check_pieces(Fuzz *fuzz) {
    const Swarm *swarm = fuzz->swarm;
    uint64_t verified = 0, missing = 0;

    for (uint64_t i = 0; i < swarm->map.count; i++) {
        uint64_t at = i * swarm->piece_bytes, len = piece_len(swarm->size, i);
        size_t writers = count_writers(swarm, i);

        switch (piece_map_state(&swarm->map, i)) {
        case PIECE_THERE:
            CHECK(fuzz->seen & UINT64_C(1) << i || memcmp(disk + at, truth + at, len) == 0);
            fuzz->seen |= UINT64_C(1) << i;
            CHECK(writers == 0);
            verified += len;
            break;
        case PIECE_ASKED:
            CHECK(writers == 1 || (writers == 0 && swarm->busy_count > 0));
            break;
        case PIECE_MISSING:
            CHECK(writers == 0);
            missing++;
        }
    }
    CHECK(swarm->verified == verified && swarm->map.missing == missing);
}

static void check_sources(const Swarm *swarm) {
    const SwarmSource *source;
    size_t connected = 0, busy = 0;

    TAILQ_FOREACH (source, &swarm->sources, link) {
        CHECK(is_connected(source) == (source->fd >= 0));
        CHECK(source->fd >= 0 || (source->piece == source->run_end && source->in.size == 0));
        CHECK(source->in.size <= 2 * HTTP_HEAD_BYTES_MAX);
        CHECK(source->queue == QUEUE_NONE || source->state == SOURCE_BODY);
        CHECK(!source->lied || source->state == SOURCE_DROPPED);
        CHECK(source->state != SOURCE_CONNECTING || fake_now - source->since < PATIENCE_USEC);
        CHECK(source->state != SOURCE_ASKED || fake_now - source->since < PATIENCE_USEC);
        connected += is_connected(source);
        busy += source->busy_count;
    }
    CHECK(connected == engine->connections && connected == fake_sockets_open());
    CHECK(swarm->checking || busy == swarm->busy_count);
}

static void settle(Fuzz *fuzz) {
    fake_threads_run();
    fake_sockets_run();
    if (!fuzz->swarm)
        return;
    check_requests(fuzz);
    if (fuzz->swarm->finished)
        return;
    check_pieces(fuzz);
    check_sources(fuzz->swarm);
}

static void on_done(Swarm *swarm, int result, const char *why _unused_, void *userdata) {
    Fuzz *fuzz = userdata;
    const SwarmSource *source;

    CHECK(swarm == fuzz->swarm);
    CHECK(result == 0 || result == -ENODATA || (result == -ECANCELED && fuzz->stopped));
    CHECK(result < 0 || memcmp(disk, truth, fuzz->size) == 0);
    CHECK(swarm->busy_count == 0 && engine->connections == 0);
    TAILQ_FOREACH (source, &swarm->sources, link)
        CHECK(result != -ENODATA || source->state == SOURCE_DROPPED);
    fuzz->result = result;
    fuzz->swarm = NULL;
}

// -------------------------------------------------------------------------------------- the script

static void advance(Fuzz *fuzz, uint64_t usec) {
    const uint64_t end = fake_now + usec;

    for (int rounds = 0; fake_timer_next() <= end; rounds++) {
        CHECK(rounds < 100000);
        fake_now = MAX(fake_now, fake_timer_next());
        fake_timers_run();
        settle(fuzz);
    }
    fake_now = end;
}

static void deliver(Fuzz *fuzz, size_t number) {
    FakePeer *peer = &fuzz->peers[number];
    FakeSocket *s = socket_of(number);

    if (s && s->connected && !s->ended && s->error == 0 && peer->outgoing.size > 0)
        CHECK(buffer_append(&s->arrived, buffer_data(&peer->outgoing), peer->outgoing.size) >= 0);
    buffer_clear(&peer->outgoing);
    settle(fuzz);
}

static void change_socket(const Fuzz *fuzz, Op op) {
    FakeSocket *s = socket_of(fuzz->current);

    if (!s)
        return;
    if (op == OP_CONNECTED)
        s->connected |= s->error == 0;
    else if (op == OP_REFUSED && !s->connected)
        s->error = ECONNREFUSED;
    else if (op == OP_RESET && s->connected)
        s->error = ECONNRESET;
    else if (op == OP_END && s->connected)
        s->ended = true;
}

static void add_peer(const Fuzz *fuzz, size_t number) {
    const SwarmSourceInfo info = {.endpoint = endpoint_of(number), .exempt = number == HONEST};

    if (fuzz->swarm)
        swarm_add_sources(fuzz->swarm, &info, 1);
}

static void set_sleeping(Fuzz *fuzz, bool sleeps) {
    fuzz->sleeps = sleeps;
    fake_thread_sleep("verify", sleeps);
}

static void stop(Fuzz *fuzz) {
    fuzz->stopped = true;
    if (fuzz->swarm)
        swarm_stop(fuzz->swarm);
}

static void run_op(Fuzz *fuzz, Op op, uint8_t argument) {
    FakePeer *peer = &fuzz->peers[fuzz->current];

    if (op == OP_HEAD)
        say_head(fuzz, peer);
    else if (op == OP_BODY || op == OP_WRONG)
        say_body(peer, (argument + UINT64_C(1)) * BODY_BYTES, op == OP_WRONG);
    else
        deliver(fuzz, fuzz->current);
    if (op == OP_PEER)
        fuzz->current = argument % PEERS;
    else if (op == OP_WAIT)
        advance(fuzz, argument * UINT64_C(50000));
    else if (op == OP_VERIFY)
        set_sleeping(fuzz, !fuzz->sleeps);
    else if (op == OP_ADD)
        add_peer(fuzz, argument % PEERS);
    else if (op == OP_STOP)
        stop(fuzz);
    else
        change_socket(fuzz, op);
    settle(fuzz);
}

static bool takes_argument(uint8_t op) {
    return op == OP_PEER || op == OP_WAIT || op == OP_BODY || op == OP_WRONG || op == OP_ADD ||
           op == OP_ESCAPE;
}

static void run(Fuzz *fuzz, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = data[i];

        if (byte > 0 && byte < _OP_END && byte != '\t' && byte != '\n' && byte != '\r') {
            uint8_t argument = takes_argument(byte) && i + 1 < size ? data[++i] : 0;

            if (byte != OP_ESCAPE) {
                run_op(fuzz, byte, argument);
                continue;
            }
            byte = argument;
        }
        say(&fuzz->peers[fuzz->current], &byte, 1);
    }
    deliver(fuzz, fuzz->current);
}

// An honest peer joins those that have gone silent.
static void finish(Fuzz *fuzz) {
    FakePeer *peer = &fuzz->peers[HONEST];

    set_sleeping(fuzz, false);
    settle(fuzz);
    fuzz->current = HONEST;
    add_peer(fuzz, HONEST);
    for (int i = 0; i < 4000 && fuzz->swarm; i++) {
        if (i % 100 == 0)
            add_peer(fuzz, HONEST); // as each answer of FT does
        change_socket(fuzz, OP_CONNECTED);
        settle(fuzz);
        say_head(fuzz, peer);
        say_body(peer, TRUTH_BYTES, false);
        peer->asked = false;
        deliver(fuzz, HONEST);
        advance(fuzz, 50 * USEC_PER_MSEC);
    }
    CHECK(!fuzz->swarm);
    // Without a peer that is left it may have been over before.
    CHECK(fuzz->result == 0 || fuzz->result == -ENODATA || fuzz->stopped);
}

static void start(Fuzz *fuzz, uint8_t first, uint8_t second) {
    SwarmSourceInfo infos[PEERS];
    SwarmJob job = {
        .file_name = "a \xc3\xa4.bin",
        .sources = infos,
        .source_count = 1 + second % (START_PEERS + 1),
        .on_done = on_done,
        .userdata = fuzz,
    };

    for (size_t i = 0; i < PEERS; i++)
        infos[i] = (SwarmSourceInfo){.endpoint = endpoint_of(i)};
    fuzz->size = job.size = sizes[first & START_SIZE];
    job.root = roots[first & START_SIZE];
    CHECK(ftruncate(disk_fd, 0) >= 0 && ftruncate(disk_fd, TRUTH_BYTES) >= 0);
    if (first & START_FIRST_PIECE)
        CHECK(pwrite(disk_fd, truth, piece_len(job.size, 0), 0) > 0);
    if (first & START_GARBAGE)
        CHECK(pwrite(disk_fd, "garbage", 4, (off_t)job.size - 4) > 0);
    limit = (RateLimit){};
    rate_limit_set(&limit, second & START_SLOW ? SLOW_RATE : 0);
    job.fd = dup(disk_fd);
    CHECK(swarm_start(engine, &job, &fuzz->swarm) >= 0);
    settle(fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Fuzz fuzz = {.result = 1};

    set_up();
    fake_now = 1000 * USEC_PER_SEC;
    start(&fuzz, size > 0 ? data[0] : 0, size > 1 ? data[1] : 0);
    if (size > 2)
        run(&fuzz, data + 2, size - 2);
    finish(&fuzz);
    advance(&fuzz, 10 * USEC_PER_SEC); // the engine has nothing left to do
    CHECK(fake_timer_next() == UINT64_MAX && fake_sockets_open() == 0);
    fake_sockets_clear();
    for (size_t i = 0; i <= PEERS; i++)
        buffer_clear(&fuzz.peers[i].outgoing);
    return 0;
}
