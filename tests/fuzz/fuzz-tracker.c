// SPDX-License-Identifier: MIT

// The peer's client of FT against an FT that may lie, on fake-net.c and fake-event.c. Input: what
// FT sends, as it is, and in between bytes that are no text (enum Op): what happens to the
// connection, what the user wants, and when the clock moves. Whatever FT says, the peer sends
// well-formed messages and never more than FT may be told, each search ends once and in time, and
// no state waits for ever. At the end an honest FT takes over, which the peer has to join.

#include <string.h>

#include "fake-event.h"
#include "fake-net.h"
#include "fake-resolver.h"
#include "fuzz.h"
#include "proto/name.h"
#include "util/log.h"

// What is under test.
#include "peer/tracker/tracker-internal.h"

typedef enum Op {
    OP_DELIVER = 1, // what FT has sent so far arrives now
    OP_WAIT,        // so many times 50 ms, the next byte
    OP_END,         // no more from FT
    OP_RESET,
    OP_CONNECTED,  // the look-up of FT's name, or the connection, succeeds
    OP_REFUSED,    // or it fails
    OP_SLOW,       // FT reads no more, or again
    OP_SEARCH,     // the next byte: a slot, the name, and whether by words
    OP_CANCEL,     // the search in a slot, the next byte
    OP_OFFER = 11, // another set of files, the next byte
    OP_CONTROL,    // what the user wants, the next byte: enum Control
    OP_KEPT = 14,  // "KEPT: " and the number of records that FT has been told
    OP_ESCAPE,
} Op;

typedef enum Control {
    CONTROL_LEAVE,
    CONTROL_JOIN,
    CONTROL_AUTO,
    CONTROL_LINE,
    CONTROL_RAW,
    CONTROL_NO_FT,
    CONTROL_OTHER_FT,
    _CONTROL_COUNT,
} Control;

enum {
    FILES_MAX = 31,
    SLOTS = 4,
    // The byte of OP_OFFER: how many files, and what about them.
    OFFER_COUNT = 31,
    OFFER_ROOTED = 32,
    OFFER_CHANGED = 64,
    OFFER_PENDING = 128,
    // The byte of OP_SEARCH.
    SEARCH_FIND = 4,
    SEARCH_AGAIN = 8, // once more, from the handler
    SEARCH_NAME = 16,
};

// ft-client.h promises an answer, good or bad, within this time.
static const uint64_t SEARCH_USEC = 20 * USEC_PER_SEC;
static const uint16_t LISTEN_PORT = 5556;

typedef struct Slot {
    struct Fuzz *fuzz;
    TrackerSearch *search; // NULL: free
    const char *text;
    bool find, again;
    uint64_t begun;
    int result; // of the last one
    size_t records;
} Slot;

typedef struct Fuzz {
    Tracker *client;
    Buffer outgoing; // from FT, not arrived yet
    uint8_t offer;
    Slot slots[SLOTS];
    // The session, as FT sees it.
    uint32_t serial;
    size_t read;     // bytes of what the peer has sent that have been checked
    size_t answered; // and that the honest FT has answered
    bool told[FILES_MAX];
    size_t lines;
} Fuzz;

static const char *const names[] = {"file0.txt", "other name.bin", "x", "\xc3\xa4 100%, a.b"};

// ------------------------------------------------------------------------ what the client lives on

static bool next_offered(void *userdata, size_t *position, Record *ret) {
    static char name[16];
    const Fuzz *fuzz = userdata;
    const size_t i = *position;

    if (fuzz->offer & OFFER_PENDING || i >= (fuzz->offer & OFFER_COUNT))
        return false;
    snprintf(name, sizeof(name), "f%zu", i);
    *ret = (Record){
        .name = name,
        .type = "txt",
        .size = 1000 + i,
        .modified = {.year = 2026, .month = 1, .day = fuzz->offer & OFFER_CHANGED ? 2 : 1},
        .has_root = fuzz->offer & OFFER_ROOTED,
    };
    if (ret->has_root)
        memset(ret->root.bytes, (int)i + 1, sizeof(ret->root.bytes));
    (*position)++;
    return true;
}

static const char *offer_pending(void *userdata) {
    const Fuzz *fuzz = userdata;

    return fuzz->offer & OFFER_PENDING ? "being read" : NULL;
}

// ---------------------------------------------------------------------------------------- searches

static void begin_search(Slot *slot);

static void end_search(Slot *slot, const TrackerSearch *search, int r) {
    CHECK(search == slot->search);
    CHECK(r == 0 || r == -ETIMEDOUT || r == -ENOTCONN || (slot->find && r == -EBADMSG));
    slot->search = NULL;
    slot->result = r;
    if (slot->again) {
        slot->again = false;
        begin_search(slot);
    }
}

static void on_found(TrackerSearch *search, int r, const Record records[], size_t n,
                     void *userdata) {
    Slot *slot = userdata;

    CHECK(n <= RESULTS_MAX && (r == 0 || n == 0));
    for (size_t i = 0; i < n; i++) {
        CHECK(name_matches(records[i].name, records[i].type, slot->text));
        CHECK(records[i].size <= SIZE_BYTES_MAX && records[i].endpoint.port > 0);
    }
    slot->records = n;
    end_search(slot, search, r);
}

static void on_matches(TrackerSearch *search, int r, const TrackerMatches *matches,
                       void *userdata) {
    CHECK(!matches == (r < 0));
    for (size_t i = 0; matches && i < matches->n; i++)
        CHECK(name_is_valid(matches->files[i].name, strlen(matches->files[i].name)));
    CHECK(!matches || matches->n <= FIND_RESULTS_MAX);
    end_search(userdata, search, r);
}

static void begin_search(Slot *slot) {
    Tracker *client = slot->fuzz->client;
    FindRequest request = {.max_size = SIZE_BYTES_MAX, .limit = 3};
    int r;

    snprintf(request.text, sizeof(request.text), "%s", slot->text);
    slot->begun = fake_now;
    slot->records = 0;
    slot->result = 1;
    r = slot->find ? tracker_find(client, &request, on_matches, slot, &slot->search)
                   : tracker_search(client, slot->text, on_found, slot, &slot->search);
    CHECK(r == 0 || r == -ENOTCONN);
    if (r < 0)
        slot->search = NULL;
}

static void search(Fuzz *fuzz, uint8_t argument) {
    Slot *slot = &fuzz->slots[argument % SLOTS];

    if (slot->search)
        return;
    slot->text = names[argument / SEARCH_NAME % ELEMENTSOF(names)];
    slot->find = argument & SEARCH_FIND;
    slot->again = argument & SEARCH_AGAIN;
    begin_search(slot);
}

static void cancel(Slot *slot) {
    slot->search = tracker_search_free(slot->search);
    slot->again = false;
}

// -------------------------------------------------------------------------- what the peer has sent

static size_t count_told(const Fuzz *fuzz) {
    size_t n = 0;

    for (size_t i = 0; i < FILES_MAX; i++)
        n += fuzz->told[i];
    return n;
}

static size_t file_number(const Record *record) {
    size_t i;

    CHECK(sscanf(record->name, "f%zu", &i) == 1 && i < FILES_MAX);
    CHECK(strcmp(record->type, "txt") == 0 && record->size == 1000 + i);
    return i;
}

static void take_record(Fuzz *fuzz, const char *line, size_t len) {
    RecordList list = record_list(line, len);
    RecordText text;
    Record record;

    while (record_list_next(&list, &line, &len)) {
        CHECK(record_parse(line, len, &text, &record, NULL) >= 0);
        CHECK(record.endpoint.port == LISTEN_PORT);
        CHECK(!record.has_root || fuzz->client->way == WAY_ROOTED);
        fuzz->told[file_number(&record)] = true;
    }
}

// What FT would be told of in a session of lines. Before HI there is only HELLO.
static void take_line(Fuzz *fuzz, const char *line, size_t len) {
    const Message message = message_parse(line, len);
    char name[NAME_BYTES_MAX + 1];
    FindRequest request;
    RecordText text;
    Record record;

    CHECK(len < LINE_BYTES_MAX);
    CHECK((message.kind == MESSAGE_HELLO) == (fuzz->lines == 0));
    if (fuzz->lines++ == 0)
        return;
    switch (message.kind) {
    case MESSAGE_RECORDS:
        take_record(fuzz, message.argument, message.argument_len);
        break;
    case MESSAGE_REMOVE:
        CHECK(record_parse_file(message.argument, message.argument_len, &text, &record) >= 0);
        CHECK(fuzz->told[file_number(&record)]);
        fuzz->told[file_number(&record)] = false;
        break;
    case MESSAGE_SEARCH:
        CHECK(message_search_name(&message, name) >= 0);
        break;
    case MESSAGE_FIND:
        CHECK(fuzz->client->knows_roots);
        CHECK(find_parse(&message, &request) >= 0);
        break;
    case MESSAGE_REACHABLE:
        CHECK(fuzz->client->knows_roots);
        break;
    default:
        CHECK(message.kind == MESSAGE_BYE);
    }
}

static FakeConnection *connection_of(const Fuzz *fuzz) {
    const Stream *stream = &fuzz->client->stream;

    return stream->fd >= 0 ? &fake_connections[stream->fd] : NULL;
}

static void begin_session(Fuzz *fuzz, uint32_t serial) {
    fuzz->serial = serial;
    fuzz->read = fuzz->answered = fuzz->lines = 0;
    memset(fuzz->told, 0, sizeof(fuzz->told));
}

static void check_sent(Fuzz *fuzz) {
    const FakeConnection *connection = connection_of(fuzz);
    const char *data, *newline;

    if (!connection)
        return;
    if (connection->serial != fuzz->serial)
        begin_session(fuzz, connection->serial);
    data = buffer_data(&connection->sent);
    CHECK(connection->sent.size == 0 || memcmp(data, WORD_HELLO, strlen(WORD_HELLO)) == 0);
    for (size_t i = fuzz->read; i < connection->sent.size; i++)
        CHECK((unsigned char)data[i] >= ' ' || data[i] == '\n');
    if (fuzz->client->framer.framing == FRAMING_RAW) {
        fuzz->read = connection->sent.size;
        return;
    }
    while (fuzz->read < connection->sent.size) {
        newline = memchr(data + fuzz->read, '\n', connection->sent.size - fuzz->read);
        CHECK(newline);
        take_line(fuzz, data + fuzz->read, newline - (data + fuzz->read));
        fuzz->read = newline - data + 1;
    }
    if (connection->slow || connection->work.out.size > 0)
        return;
    CHECK(fuzz->client->state > TRACKER_GREETING || fuzz->lines <= 1);
    CHECK(count_told(fuzz) == fuzz->client->publisher.count);
}

// -------------------------------------------------------------------------------------- invariants

static bool is_armed(sd_event_source *timer) {
    int enabled;

    return sd_event_source_get_enabled(timer, &enabled) > 0;
}

// Something is under way that ends the state.
static void check_progress(const Fuzz *fuzz) {
    const Tracker *client = fuzz->client;
    const FakeConnection *connection = connection_of(fuzz);

    CHECK(!fake_lookup_pending() == (client->state != TRACKER_RESOLVING));
    CHECK(!connection ==
          (client->state != TRACKER_CONNECTING && client->state != TRACKER_GREETING &&
           client->state != TRACKER_TELLING && client->state != TRACKER_JOINED));
    CHECK(client->state != TRACKER_WAITING || is_armed(client->retry));
    if (connection && client->state != TRACKER_JOINED)
        CHECK(connection->timeout_at > fake_now);
    if (client->state == TRACKER_GREETING)
        CHECK(fake_now <= client->greet_deadline);
    if (client->state == TRACKER_JOINED && client->publisher.awaiting)
        CHECK(connection->timeout_at > fake_now);
    CHECK((client->state == TRACKER_JOINED) == (client->reason[0] == '\0'));
    CHECK(TAILQ_EMPTY(&client->searches.list) || is_armed(client->searches.timer));
}

static void check_published(const Fuzz *fuzz) {
    const TrackerPublisher *publisher = &fuzz->client->publisher;
    size_t limit;

    CHECK(publisher->allowed <= FILES_PER_PEER_MAX);
    if (!fuzz->client->knows_roots)
        CHECK(publisher->count <= FILES_PER_PEER_DEFAULT);
    CHECK(tracker_published(fuzz->client) <= FILES_MAX);
    (void)tracker_is_full(fuzz->client, &limit);
    CHECK(!tracker_address(fuzz->client) || tracker_address(fuzz->client)->port > 0);
}

static void check_all(Fuzz *fuzz) {
    check_sent(fuzz);
    check_progress(fuzz);
    check_published(fuzz);
    for (size_t i = 0; i < SLOTS; i++)
        CHECK(!fuzz->slots[i].search || fake_now - fuzz->slots[i].begun <= SEARCH_USEC);
}

// -------------------------------------------------------------------------------------- the script

// Timers of the client, and of its stream, in their order.
static void advance(Fuzz *fuzz, uint64_t usec) {
    const uint64_t end = fake_now + usec;

    fake_timers_run();
    for (int rounds = 0; fake_timer_next() <= end; rounds++) {
        CHECK(rounds < 10000);
        fake_advance(MAX(fake_timer_next(), fake_now) - fake_now);
        fake_timers_run();
        check_all(fuzz);
    }
    fake_advance(end - fake_now);
}

static void receive(const Fuzz *fuzz, const void *data, size_t len) {
    if (fuzz->client->stream.fd < 0)
        return;
    fake_batch_begin();
    fake_receive(fuzz->client->stream.fd, data, len);
    fake_batch_end();
}

static void deliver(Fuzz *fuzz) {
    if (fuzz->outgoing.size > 0)
        receive(fuzz, buffer_data(&fuzz->outgoing), fuzz->outgoing.size);
    buffer_clear(&fuzz->outgoing);
    check_all(fuzz);
}

static void go_on(const Fuzz *fuzz) {
    if (fake_lookup_pending())
        fake_lookup_end(0);
    else if (fuzz->client->state == TRACKER_CONNECTING)
        fake_connected(fuzz->client->stream.fd);
}

static void refuse(const Fuzz *fuzz) {
    if (fake_lookup_pending())
        fake_lookup_end(-ENOENT);
    else if (fuzz->client->state == TRACKER_CONNECTING)
        fake_reset(fuzz->client->stream.fd);
}

static void toggle_slow(const Fuzz *fuzz) {
    FakeConnection *connection = connection_of(fuzz);

    if (!connection)
        return;
    if (connection->slow)
        fake_writable(fuzz->client->stream.fd);
    else
        connection->slow = true;
}

static void control(const Fuzz *fuzz, Control what) {
    static const Dialect dialects[_CONTROL_COUNT] = {
        [CONTROL_LINE] = DIALECT_LINE,
        [CONTROL_RAW] = DIALECT_RAW,
    };

    if (what == CONTROL_LEAVE)
        tracker_leave(fuzz->client);
    else if (what == CONTROL_JOIN)
        tracker_join(fuzz->client);
    else
        CHECK(tracker_configure(fuzz->client,
                                what == CONTROL_NO_FT      ? NULL
                                : what == CONTROL_OTHER_FT ? "192.0.2.3"
                                                           : "ft.example.org",
                                5555, dialects[what]) >= 0);
}

static void say_kept(Fuzz *fuzz) {
    CHECK(message_put_kept(&fuzz->outgoing, FRAMING_LINE, count_told(fuzz)) >= 0);
}

static void run_op(Fuzz *fuzz, Op op, uint8_t argument) {
    deliver(fuzz);
    switch (op) {
    case OP_WAIT:
        advance(fuzz, argument * UINT64_C(50000));
        break;
    case OP_END:
        receive(fuzz, NULL, 0);
        break;
    case OP_RESET:
        if (fuzz->client->stream.fd >= 0)
            fake_reset(fuzz->client->stream.fd);
        break;
    case OP_CONNECTED:
        go_on(fuzz);
        break;
    case OP_REFUSED:
        refuse(fuzz);
        break;
    case OP_SLOW:
        toggle_slow(fuzz);
        break;
    case OP_SEARCH:
        search(fuzz, argument);
        break;
    case OP_CANCEL:
        cancel(&fuzz->slots[argument % SLOTS]);
        break;
    case OP_OFFER:
        fuzz->offer = argument;
        tracker_publish(fuzz->client);
        break;
    case OP_CONTROL:
        control(fuzz, argument % _CONTROL_COUNT);
        break;
    case OP_KEPT:
        say_kept(fuzz);
        break;
    case OP_DELIVER:
    case OP_ESCAPE:
        break;
    }
    advance(fuzz, 0);
    check_all(fuzz);
}

static bool is_op(uint8_t byte) {
    return byte > 0 && byte <= OP_ESCAPE && byte != '\n' && byte != '\r';
}

static bool takes_argument(uint8_t op) {
    return op == OP_WAIT || op == OP_SEARCH || op == OP_CANCEL || op == OP_OFFER ||
           op == OP_CONTROL || op == OP_ESCAPE;
}

static void run(Fuzz *fuzz, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = data[i];

        if (is_op(byte)) {
            uint8_t argument = takes_argument(byte) && i + 1 < size ? data[++i] : 0;

            if (byte != OP_ESCAPE) {
                run_op(fuzz, byte, argument);
                continue;
            }
            byte = argument;
        }
        CHECK(buffer_append(&fuzz->outgoing, &byte, 1) >= 0);
    }
    deliver(fuzz);
}

// ------------------------------------------------------------------------------------ an honest FT

static void say(Fuzz *fuzz, const char *text, bool raw) {
    CHECK(buffer_append(&fuzz->outgoing, text, strlen(text)) >= 0);
    CHECK(raw || buffer_append(&fuzz->outgoing, "\n", 1) >= 0);
}

// What FT says to these bytes; `raw`: it is the FT of the seed's authors, which has no lines.
static void answer(Fuzz *fuzz, const char *data, size_t size, bool raw) {
    if (memmem(data, size, WORD_HELLO, strlen(WORD_HELLO)))
        say(fuzz, WORD_HI, raw);
    if (!raw && fuzz->client->publisher.awaiting)
        say_kept(fuzz);
    for (const char *p = data; (p = memmem(p, data + size - p, "SEARCH: ", 8)); p++)
        say(fuzz, "FOUND: <txt, 5, 01/01/26, 192.0.2.9, 80>", raw);
}

static void serve_honestly(Fuzz *fuzz) {
    const FakeConnection *connection;

    go_on(fuzz);
    check_all(fuzz);
    connection = connection_of(fuzz);
    if (connection && connection->sent.size > fuzz->answered) {
        size_t from = fuzz->answered;

        fuzz->answered = connection->sent.size;
        answer(fuzz, buffer_data(&connection->sent) + from, connection->sent.size - from,
               fuzz->client->framer.framing == FRAMING_RAW);
    }
    deliver(fuzz);
    advance(fuzz, 100 * USEC_PER_MSEC);
}

static bool all_published(const Fuzz *fuzz) {
    const TrackerPublisher *publisher = &fuzz->client->publisher;

    return tracker_state(fuzz->client) == TRACKER_JOINED && !publisher->awaiting &&
           publisher->count >= MIN(fuzz->offer & OFFER_COUNT, FILES_PER_PEER_DEFAULT);
}

static void finish(Fuzz *fuzz) {
    Slot *slot = &fuzz->slots[0];

    for (size_t i = 0; i < SLOTS; i++)
        cancel(&fuzz->slots[i]);
    fuzz->offer = OFFER_ROOTED | 7;
    tracker_publish(fuzz->client);
    control(fuzz, CONTROL_AUTO);
    control(fuzz, CONTROL_JOIN);
    if (fuzz->client->stream.fd >= 0)
        fake_reset(fuzz->client->stream.fd);
    check_all(fuzz);
    for (int i = 0; i < 2000 && !all_published(fuzz); i++)
        serve_honestly(fuzz);
    CHECK(all_published(fuzz));

    search(fuzz, 0);
    for (int i = 0; i < 50 && slot->search; i++)
        serve_honestly(fuzz);
    CHECK(slot->result == 0 && slot->records == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Fuzz fuzz = {};
    const TrackerHooks hooks = {
        .next_offered = next_offered,
        .offer_pending = offer_pending,
        .userdata = &fuzz,
    };
    const Endpoint listen = {
        .address = {.family = AF_INET, .v4.s_addr = htonl(0xc6336401)},
        .port = LISTEN_PORT,
    };
    Poller *poller;

    log_set_max_level(LOG_EMERG);
    fake_now = 1000 * USEC_PER_SEC;
    for (size_t i = 0; i < SLOTS; i++)
        fuzz.slots[i].fuzz = &fuzz;
    CHECK(poller_new(NULL, &poller) >= 0);
    CHECK(tracker_new(NULL, poller, &hooks, &fuzz.client) >= 0);
    tracker_set_listen(fuzz.client, &listen);
    fuzz.offer = OFFER_ROOTED | 7;
    control(&fuzz, CONTROL_AUTO);
    check_all(&fuzz);
    run(&fuzz, data, size);
    finish(&fuzz);
    search(&fuzz, SEARCH_FIND);
    tracker_free(fuzz.client);
    for (size_t i = 0; i < SLOTS; i++)
        CHECK(!fuzz.slots[i].search);
    CHECK(fake_timers_count() == 0 && !fake_lookup_pending());
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
        buffer_clear(&fake_connections[i].sent);
    buffer_clear(&fuzz.outgoing);
    poller_free(poller);
    return 0;
}
