// SPDX-License-Identifier: MIT

// Whole sessions with FT, four at once, on fake-net.c. Input: what the peers send, and between it
// control bytes that are no text (enum Op). Whatever they send, answers are well-formed and only go
// to accepted peers, limits hold, and nothing remains of a session that has ended. A restart in the
// middle changes nothing.

#include <string.h>

#include "fake-net.h"
#include "ft/ft-state.h"
#include "ft/ft.h"
#include "fuzz.h"
#include "proto/framing.h"
#include "util/log.h"

typedef enum Op {
    // Switch to the connection of the next byte, and open it if it is closed.
    OP_SWITCH = 1,
    OP_DELIVER,  // deliver what was sent so far
    OP_TOGETHER, // the same, and deliver what comes next in the same batch
    OP_WAIT,     // wait as many times 50 ms as the next byte says
    OP_END,      // half-close
    OP_SLOW,     // stop reading, or read again
    OP_RESET,
    OP_PROBED,  // end the oldest probe; the next byte is its result
    OP_RESTART, // is HT in ASCII, which means the same as a space on the wire
    OP_ESCAPE = 15,
} Op;

enum {
    FILES_MAX = 3,
    PEERS_MAX = 3, // there is one connection more
    ADDRESS_FILES_MAX = 4,
    RECORDS_MAX = 5,
};

typedef struct Fuzz {
    Ft *ft;
    size_t current;
    Buffer outgoing; // of the current connection, not delivered
    bool batch;      // a batch is open
    bool accepted[FAKE_CONNECTIONS];
} Fuzz;

static sd_event *event;

static Session *session_of(size_t number) {
    return fake_connections[number].stream
               ? container_of(fake_connections[number].stream, Session, stream)
               : NULL;
}

// Two connections share an address. None is a loopback address, for which FT would ask the kernel
// for all addresses of this machine.
static IpAddress address_of(size_t number) {
    return (IpAddress){.family = AF_INET, .v4.s_addr = htonl(0xc0000200u + (uint32_t)number / 2)};
}

static void connect_peer(Fuzz *fuzz, size_t number) {
    const Endpoint remote = {
        .address = address_of(number),
        .port = (uint16_t)(40000 + number),
    };
    Ft *ft = fuzz->ft;

    fuzz->accepted[number] = false;
    // Does what ft.c does with a new connection.
    if (ft->waiting_count + ft->accepted_count >= ft->config.max_peers) {
        if (TAILQ_EMPTY(&ft->waiting))
            return;
        session_free(TAILQ_FIRST(&ft->waiting));
    }
    session_new(ft, (int)number, &remote);
}

static void check_line(const char *line, size_t len, size_t number_of_line) {
    const Message message = message_parse(line, len);

    CHECK(len < ANSWER_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        CHECK((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
    if (number_of_line == 0)
        CHECK(message.kind == MESSAGE_HI);
    else
        CHECK(message.kind == MESSAGE_FOUND || message.kind == MESSAGE_NOT_FOUND ||
              message.kind == MESSAGE_KEPT || message.kind == MESSAGE_REACHABLE_IS ||
              message.kind == MESSAGE_MATCHES);
}

// Checks all that FT has sent to this connection. `whole`: nothing is on its way.
static void check_answers(const Fuzz *fuzz, size_t number, Framing framing) {
    const Buffer *sent = &fake_connections[number].sent;
    const char *data = buffer_data(sent);
    size_t lines = 0;

    if (sent->size == 0)
        return;
    CHECK(sent->size >= strlen(WORD_HI) && memcmp(data, WORD_HI, strlen(WORD_HI)) == 0);
    if (!fuzz->accepted[number])
        CHECK(sent->size <= strlen(WORD_HI "\n"));
    if (framing != FRAMING_LINE)
        return;
    for (const char *end = data + sent->size, *newline; data < end; data = newline + 1) {
        newline = memchr(data, '\n', end - data);
        CHECK(newline);
        check_line(data, newline - data, lines++);
    }
}

static void check_all(Fuzz *fuzz) {
    const Ft *ft = fuzz->ft;
    uint64_t records = 0;
    size_t of_address[FAKE_CONNECTIONS / 2] = {};
    uint32_t count = 0;

    for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
        const Session *session = session_of(i);
        size_t n;

        if (!session)
            continue;
        count++;
        fuzz->accepted[i] |= session->state == SESSION_ACCEPTED;
        n = index_owner_count(session->owner);
        CHECK(n <= FILES_MAX);
        CHECK(n == 0 || session->state == SESSION_ACCEPTED);
        CHECK(!session->probing || session->syntax.rooted);
        CHECK(session->state == SESSION_ACCEPTED || fake_connections[i].timeout_at > 0);
        CHECK(stream_unconsumed(&session->stream)->size <= SAVED_IN_BYTES_MAX);
        // If a REACHABLE exceeds the limit, the next answer fails.
        CHECK(stream_unsent(&session->stream)->size <= session->stream.out_max + 1024);
        records += n;
        of_address[i / 2] += n;
        check_answers(fuzz, i, session->framing);
    }
    CHECK(count <= PEERS_MAX);
    CHECK(ft->waiting_count + ft->accepted_count == count);
    CHECK(index_records(ft->index) == records);
    CHECK(records <= RECORDS_MAX + PEERS_MAX - 1);
    for (size_t i = 0; i < ELEMENTSOF(of_address); i++) {
        const IpAddress address = address_of(2 * i);

        // the second peer may have one record in any case
        CHECK(of_address[i] <= ADDRESS_FILES_MAX + 1);
        CHECK(admission_look(ft->admission, &address).records == of_address[i]);
    }
}

static void end_batch(Fuzz *fuzz) {
    if (fuzz->batch)
        fake_batch_end();
    fuzz->batch = false;
    fake_work();
}

static void deliver(Fuzz *fuzz, bool together) {
    if (fuzz->outgoing.size > 0) {
        if (!fuzz->batch)
            fake_batch_begin();
        fuzz->batch = true;
        fake_receive(fuzz->current, (const uint8_t *)buffer_data(&fuzz->outgoing),
                     fuzz->outgoing.size);
        buffer_clear(&fuzz->outgoing);
    }
    if (!together) {
        end_batch(fuzz);
        check_all(fuzz);
    }
}

static void end_of_stream(Fuzz *fuzz) {
    fake_batch_begin();
    fake_receive(fuzz->current, NULL, 0);
    fake_batch_end();
}

static void toggle_slow(Fuzz *fuzz) {
    FakeConnection *connection = &fake_connections[fuzz->current];

    if (connection->slow)
        fake_writable(fuzz->current);
    else
        connection->slow = true;
}

// Each session leaves and comes back, as over a restart of FT.
static void restart_session(Fuzz *fuzz, size_t number) {
    Session *session = session_of(number);
    FakeConnection connection = fake_connections[number];
    const SessionState state = session->state;
    const size_t in = stream_unconsumed(&session->stream)->size;
    StateWriter writer = {.fd = -EBADF};
    uint32_t cursor = 0;
    StateReader reader;
    SavedSession saved;
    RecordText text;
    Record record;

    session_save(session, &saved);
    if (saved.in_len + saved.out_len > 100 * 1024)
        return; // would be written to the fd
    CHECK(state_write_session(&writer, &saved) >= 0);
    while (session->owner && index_owner_next(fuzz->ft->index, session->owner, &cursor, &record))
        CHECK(state_write_record(&writer, &record) >= 0);
    session_free(session);

    reader = (StateReader){
        .data = (const uint8_t *)buffer_data(&writer.pending),
        .len = writer.pending.size,
        .sessions = 1,
    };
    CHECK(state_read_session(&reader, &saved) == 1);
    CHECK(saved.state == state && saved.in_len == in);
    fake_connections[number].sent = (Buffer){};
    session = session_restore(fuzz->ft, (int)number, &saved);
    CHECK(session);
    // Keep what was sent before the restart.
    fake_connections[number].sent = connection.sent;
    fake_connections[number].slow = connection.slow;
    while (state_read_record(&reader, &text, &record) > 0)
        CHECK(session_add_record(session, &record) >= 0);
    CHECK(state_read_session(&reader, &saved) == 0);
    if (session_resume(session, &saved) < 0)
        session_free(session);
    state_writer_done(&writer);
}

static void restart(Fuzz *fuzz) {
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
        if (fake_connections[i].stream && !fake_connections[i].work.eof)
            restart_session(fuzz, i);
}

static void switch_to(Fuzz *fuzz, uint8_t number) {
    fuzz->current = number % FAKE_CONNECTIONS;
    if (!fake_connections[fuzz->current].stream)
        connect_peer(fuzz, fuzz->current);
}

static void run_op(Fuzz *fuzz, Op op, uint8_t argument) {
    deliver(fuzz, op == OP_SWITCH || op == OP_TOGETHER);
    if (op != OP_TOGETHER && op != OP_SWITCH)
        end_batch(fuzz);
    switch (op) {
    case OP_SWITCH:
        end_batch(fuzz); // a batch cannot contain an accept
        switch_to(fuzz, argument);
        break;
    case OP_WAIT:
        fake_advance(argument * UINT64_C(50000));
        break;
    case OP_END:
        end_of_stream(fuzz);
        break;
    case OP_SLOW:
        toggle_slow(fuzz);
        break;
    case OP_RESET:
        fake_reset(fuzz->current);
        break;
    case OP_PROBED:
        fake_probed(argument % _REACHABILITY_COUNT);
        break;
    case OP_RESTART:
        restart(fuzz);
        break;
    case OP_DELIVER:
    case OP_TOGETHER:
    case OP_ESCAPE:
        break;
    }
    if (!fuzz->batch) {
        fake_work();
        check_all(fuzz);
    }
}

static bool is_op(uint8_t byte) {
    return (byte >= OP_SWITCH && byte <= OP_RESTART) || byte == OP_ESCAPE;
}

static void run(Fuzz *fuzz, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = data[i];

        if (is_op(byte)) {
            bool takes_one =
                byte == OP_SWITCH || byte == OP_WAIT || byte == OP_PROBED || byte == OP_ESCAPE;
            uint8_t argument = takes_one && i + 1 < size ? data[++i] : 0;

            if (byte != OP_ESCAPE) {
                run_op(fuzz, byte, argument);
                continue;
            }
            byte = argument;
        }
        CHECK(buffer_append(&fuzz->outgoing, &byte, 1) >= 0);
    }
    deliver(fuzz, false);
}

// All connections end, in one way or the other. Nothing may remain of them.
static void finish(Fuzz *fuzz) {
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
        fake_writable(i);
        if (i % 2 == 0)
            // RAW messages end, and sessions that were not accepted time out.
            fake_advance(60 * USEC_PER_SEC);
        check_all(fuzz);
        fake_reset(i);
    }
    CHECK(fuzz->ft->waiting_count == 0 && fuzz->ft->accepted_count == 0);
    fake_work();
    CHECK(index_records(fuzz->ft->index) == 0);
    CHECK(index_names(fuzz->ft->index) == 0);
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
        const IpAddress address = address_of(i);

        CHECK(admission_look(fuzz->ft->admission, &address).sessions == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FtConfig config = {
        .max_files_per_peer = FILES_MAX,
        .max_peers = PEERS_MAX,
        .max_files_per_address = ADDRESS_FILES_MAX,
        .max_records = RECORDS_MAX,
        .max_queue = 256 * 1024,
        .max_results = 2,
        .search_rate = 2,
        .probe = true,
        .words = true,
    };
    Fuzz fuzz = {};

    if (!event) {
        CHECK(sd_event_new(&event) >= 0);
        log_set_max_level(LOG_EMERG);
    }
    fake_now = 1000 * USEC_PER_SEC;
    CHECK(ft_new(event, &config, &fuzz.ft) >= 0);
    connect_peer(&fuzz, 0);
    run(&fuzz, data, size);
    finish(&fuzz);
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
        buffer_clear(&fake_connections[i].sent);
    buffer_clear(&fuzz.outgoing);
    ft_free(fuzz.ft);
    return 0;
}
