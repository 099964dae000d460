// SPDX-License-Identifier: MIT

// The peer's client of FT, with a fake clock and connections in memory: how it joins, what it falls
// back to, when it comes back, and how long it waits. What it makes of lies is for
// tests/fuzz/fuzz-tracker.c.

#include <stdio.h>

#include "fake-event.h"
#include "fake-net.h"
#include "fake-resolver.h"
#include "peer/tracker/tracker-internal.h"
#include "test.h"
#include "util/log.h"

enum {
    LISTEN_PORT = 5556,
};

typedef struct Fixture {
    Tracker *client;
    Poller *poller;
    size_t offered;  // files
    uint32_t serial; // of the connection that sent_text() was about
    size_t seen;     // bytes of it
    char text[8192];
    // Of the last search.
    int result;
    size_t records;
} Fixture;

static bool next_offered(void *userdata, size_t *position, Record *ret) {
    static char name[24];
    const Fixture *f = userdata;

    if (*position >= f->offered)
        return false;
    snprintf(name, sizeof(name), "f%zu", *position);
    *ret = (Record){
        .name = name,
        .type = "txt",
        .size = 100 + *position,
        .modified = {.year = 2026, .month = 3, .day = 5},
        .has_root = true,
    };
    (*position)++;
    return true;
}

static const char *offer_pending(void *userdata _unused_) {
    return NULL;
}

static int set_up(void **state) {
    static Fixture f;
    const TrackerHooks hooks = {
        .next_offered = next_offered,
        .offer_pending = offer_pending,
        .userdata = &f,
    };
    const Endpoint listen = {
        .address = {.family = AF_INET, .v4.s_addr = htonl(0xc0000209)},
        .port = LISTEN_PORT,
    };

    log_set_max_level(LOG_EMERG);
    f = (Fixture){.offered = 7};
    fake_now = 1000 * USEC_PER_SEC;
    assert_int_equal(poller_new(NULL, &f.poller), 0);
    assert_int_equal(tracker_new(NULL, f.poller, &hooks, &f.client), 0);
    tracker_set_listen(f.client, &listen);
    assert_int_equal(tracker_configure(f.client, "ft.example.org", 5555, DIALECT_AUTO), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    Fixture *f = *state;

    tracker_free(f->client);
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
        buffer_clear(&fake_connections[i].sent);
    poller_free(f->poller);
    assert_int_equal(fake_timers_count(), 0);
    return 0;
}

// --------------------------------------------------------------------------------- the side of FT

static void wait_usec(uint64_t usec) {
    const uint64_t end = fake_now + usec;

    while (fake_timer_next() <= end) {
        fake_advance(MAX(fake_timer_next(), fake_now) - fake_now);
        fake_timers_run();
    }
    fake_advance(end - fake_now);
    fake_timers_run();
}

static void say(const Fixture *f, const char *text) {
    assert_true(f->client->stream.fd >= 0);
    fake_batch_begin();
    fake_receive(f->client->stream.fd, (const uint8_t *)text, strlen(text));
    fake_batch_end();
}

// What the peer has sent since the last call, on the connection that it has now.
static const char *sent_text(Fixture *f) {
    const FakeConnection *connection;
    size_t n;

    assert_true(f->client->stream.fd >= 0);
    connection = &fake_connections[f->client->stream.fd];
    if (connection->serial != f->serial)
        f->seen = 0;
    f->serial = connection->serial;
    n = connection->sent.size - f->seen;
    assert_true(n < sizeof(f->text));
    if (n > 0)
        memcpy(f->text, buffer_data(&connection->sent) + f->seen, n);
    f->text[n] = '\0';
    f->seen = connection->sent.size;
    return f->text;
}

static size_t count_lines(const char *text) {
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void connect_to_ft(const Fixture *f) {
    assert_true(fake_lookup_pending());
    fake_lookup_end(0);
    assert_int_equal(tracker_state(f->client), TRACKER_CONNECTING);
    fake_connected(f->client->stream.fd);
    assert_int_equal(tracker_state(f->client), TRACKER_GREETING);
}

// With an FT that knows roots and keeps all.
static void join(Fixture *f) {
    connect_to_ft(f);
    say(f, "HI\nKEPT: 5\n");
    say(f, "KEPT: 6\n");
    say(f, "KEPT: 7\n");
    assert_int_equal(tracker_state(f->client), TRACKER_JOINED);
    (void)sent_text(f);
}

static void on_found(TrackerSearch *search _unused_, int r, const Record records[] _unused_,
                     size_t n, void *userdata) {
    Fixture *f = userdata;

    f->result = r;
    f->records = n;
}

static void search(Fixture *f) {
    TrackerSearch *ret;

    f->result = 1;
    assert_int_equal(tracker_search(f->client, "a.txt", on_found, f, &ret), 0);
}

// ----------------------------------------------------------------------------------------- joining

static void test_join(void **state) {
    Fixture *f = *state;
    const char *text;

    connect_to_ft(f);
    assert_string_equal(sent_text(f), "HELLO\n");
    say(f, "HI\n");
    text = sent_text(f);
    assert_int_equal(count_lines(text), 5); // what every FT keeps
    assert_non_null(strstr(text, "<f0, txt, 100, 05/03/26, 192.0.2.9, 5556, 0000"));
    assert_int_equal(tracker_state(f->client), TRACKER_TELLING);

    say(f, "KEPT: 5\n");
    assert_int_equal(tracker_state(f->client), TRACKER_JOINED);
    text = sent_text(f);
    assert_non_null(strstr(text, "REACHABLE\n"));
    assert_non_null(strstr(text, "<f5, ")); // one more, to see whether FT keeps it
    assert_null(strstr(text, "<f6, "));
    say(f, "KEPT: 6\n");
    assert_non_null(strstr(sent_text(f), "<f6, "));
    say(f, "KEPT: 7\n");
    assert_string_equal(sent_text(f), "");
    assert_int_equal(tracker_published(f->client), 7);
}

static void test_limit_of_ft(void **state) {
    Fixture *f = *state;
    size_t limit;

    connect_to_ft(f);
    say(f, "HI\nKEPT: 5\n");
    (void)sent_text(f);
    say(f, "KEPT: 5\n"); // the sixth was not kept
    wait_usec(USEC_PER_SEC - 1);
    assert_string_equal(sent_text(f), "");
    wait_usec(1);
    assert_string_equal(sent_text(f), "REMOVE: f5, txt, 105\n");
    assert_true(tracker_is_full(f->client, &limit));
    assert_int_equal(limit, 5);
}

static void test_nothing_to_publish(void **state) {
    Fixture *f = *state;

    f->offered = 0;
    join(f);
    tracker_publish(f->client);
    assert_int_equal(tracker_state(f->client), TRACKER_IDLE);
    assert_int_equal(f->client->stream.fd, -EBADF);
}

static void test_leave_and_join(void **state) {
    Fixture *f = *state;
    int fd;

    join(f);
    fd = f->client->stream.fd;
    tracker_leave(f->client);
    assert_int_equal(tracker_state(f->client), TRACKER_LEFT);
    assert_memory_equal(buffer_data(&fake_connections[fd].sent) + f->seen, "BYE\n", 4);
    assert_int_equal(tracker_search(f->client, "a.txt", on_found, f, &(TrackerSearch *){NULL}),
                     -ENOTCONN);
    tracker_join(f->client);
    join(f);
}

// -------------------------------------------------------------------------------------- fall-backs

static void test_raw_after_silence(void **state) {
    Fixture *f = *state;

    connect_to_ft(f);
    wait_usec(SILENCE_HELLO_USEC);
    assert_int_equal(tracker_state(f->client), TRACKER_CONNECTING);
    fake_connected(f->client->stream.fd);
    assert_string_equal(sent_text(f), "HELLO");
    say(f, "HI");
    assert_int_equal(tracker_state(f->client), TRACKER_JOINED);
    assert_null(strchr(sent_text(f), '\n'));
    // A search has to wait until the silence behind the records tells FT that they end.
    search(f);
    assert_string_equal(sent_text(f), "");
    wait_usec(2 * SILENCE_RAW_USEC);
    assert_string_equal(sent_text(f), "SEARCH: a.txt");
}

static void test_an_own_ft_gets_more_time(void **state) {
    Fixture *f = *state;

    join(f);
    wait_usec(2 * USEC_PER_SEC);
    fake_reset(f->client->stream.fd);
    connect_to_ft(f);
    // It is perhaps being restarted: its silence does not mean RAW.
    wait_usec(2 * USEC_PER_SEC);
    assert_int_equal(tracker_state(f->client), TRACKER_GREETING);
    assert_string_equal(sent_text(f), "HELLO\n");
}

static void test_without_roots(void **state) {
    Fixture *f = *state;
    uint64_t joined;

    connect_to_ft(f);
    say(f, "HI\n");
    wait_usec(3 * USEC_PER_SEC); // and no KEPT
    assert_int_equal(tracker_state(f->client), TRACKER_CONNECTING);
    fake_connected(f->client->stream.fd);
    say(f, "HI\n");
    assert_int_equal(tracker_state(f->client), TRACKER_JOINED);
    assert_non_null(strstr(sent_text(f), "<f4, txt, 104, 05/03/26, 192.0.2.9, 5556>\n"));
    assert_int_equal(tracker_published(f->client), 5);
    // Our own kind of FT may have been too busy: the peer tries again with roots.
    joined = fake_now;
    while (!fake_lookup_pending() && fake_now < joined + 100 * USEC_PER_SEC)
        wait_usec(USEC_PER_SEC);
    assert_in_range(fake_now - joined, 45 * USEC_PER_SEC, 76 * USEC_PER_SEC);
    join(f);
}

// ------------------------------------------------------------------------------------- coming back

static void test_back_off(void **state) {
    Fixture *f = *state;
    uint64_t delay = USEC_PER_SEC / 2;

    for (int i = 0; i < 9; i++) {
        assert_true(fake_lookup_pending());
        fake_lookup_end(-ENOENT);
        assert_int_equal(tracker_state(f->client), TRACKER_WAITING);
        assert_string_equal(tracker_reason(f->client), "no such host");
        assert_in_range(fake_timer_next() - fake_now, delay * 3 / 4, delay * 5 / 4);
        wait_usec(fake_timer_next() - fake_now);
        delay = MIN(delay * 2, 32 * USEC_PER_SEC);
    }
    // The user does not wait.
    fake_lookup_end(-ENOENT);
    tracker_join(f->client);
    join(f);
    assert_int_equal(f->client->failures, 0);
}

static void test_the_next_address(void **state) {
    Fixture *f = *state;

    fake_lookup_end(0);
    fake_reset(f->client->stream.fd); // the first one refuses
    assert_int_equal(tracker_state(f->client), TRACKER_CONNECTING);
    wait_usec(5 * USEC_PER_SEC); // the second one does not answer
    assert_int_equal(tracker_state(f->client), TRACKER_WAITING);
}

static void test_an_ft_that_closes_after_each_answer(void **state) {
    Fixture *f = *state;

    join(f);
    search(f);
    say(f, "FOUND: <txt, 5, 01/01/26, 192.0.2.9, 80>\n");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->records, 1);
    fake_reset(f->client->stream.fd);
    assert_true(fake_lookup_pending()); // at once
    // One that closes at once and has answered nothing has to wait.
    join(f);
    fake_reset(f->client->stream.fd);
    assert_int_equal(tracker_state(f->client), TRACKER_WAITING);
}

// ---------------------------------------------------------------------------------------- searches

static void test_an_unanswered_search(void **state) {
    Fixture *f = *state;

    join(f);
    search(f);
    assert_string_equal(sent_text(f), "SEARCH: a.txt\n");
    wait_usec(10 * USEC_PER_SEC - 1);
    assert_int_equal(f->result, 1);
    wait_usec(1);
    assert_int_equal(f->result, -ETIMEDOUT);
    // A late answer would be taken for that to the next search.
    assert_true(tracker_state(f->client) != TRACKER_JOINED);
}

static void test_a_search_survives_the_session(void **state) {
    Fixture *f = *state;

    join(f);
    wait_usec(2 * USEC_PER_SEC);
    search(f);
    fake_reset(f->client->stream.fd);
    connect_to_ft(f);
    say(f, "HI\nKEPT: 5\n");
    assert_non_null(strstr(sent_text(f), "SEARCH: a.txt\n"));
    say(f, "NOT FOUND\n");
    assert_int_equal(f->result, 0);
    assert_int_equal(f->records, 0);
}

// -------------------------------------------------------------------------------------- publishing

static void test_changes_are_told_twice_a_second(void **state) {
    Fixture *f = *state;

    join(f);
    f->offered = 6;
    tracker_publish(f->client);
    assert_string_equal(sent_text(f), "REMOVE: f6, txt, 106\n");
    say(f, "KEPT: 6\n");
    f->offered = 5;
    tracker_publish(f->client);
    wait_usec(USEC_PER_SEC / 2 - 1);
    assert_string_equal(sent_text(f), "");
    wait_usec(1);
    assert_string_equal(sent_text(f), "REMOVE: f5, txt, 105\n");
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_join),
        TEST(test_limit_of_ft),
        TEST(test_nothing_to_publish),
        TEST(test_leave_and_join),
        TEST(test_raw_after_silence),
        TEST(test_an_own_ft_gets_more_time),
        TEST(test_without_roots),
        TEST(test_back_off),
        TEST(test_the_next_address),
        TEST(test_an_ft_that_closes_after_each_answer),
        TEST(test_an_unanswered_search),
        TEST(test_a_search_survives_the_session),
        TEST(test_changes_are_told_twice_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
