// SPDX-License-Identifier: MIT

// What a stream only has while something is under way, and what it waits for: its turn, or the
// other side.

#include "test.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream-pool.h"
#include "net/stream.h"

typedef enum Next {
    CONSUME_LINES, // up to the last newline
    YIELD,         // once, then CONSUME_LINES
    ANSWER,        // writes much, and holds if it is not taken
} Next;

enum {
    ANSWER_BYTES = 1024 * 1024, // more than a socket takes
};

typedef struct Connection {
    Stream stream;
    Next next;
    int fd; // of the other side
    size_t seen, calls, closed;
    int error;
} Connection;

typedef struct World {
    sd_event *event;
    Poller *poller;
    Connection a, b;
    Connection *order[4]; // connections in the order in which their turn came
    size_t turns;
} World;

static World *the_world; // on_data has no userdata

static bool work(void *userdata _unused_) {
    return false;
}

static int answer(Stream *stream, size_t len, size_t *ret_consumed) {
    static const char zeros[ANSWER_BYTES];

    *ret_consumed = len;
    assert_int_equal(buffer_append(stream_out(stream), zeros, sizeof(zeros)), 0);
    assert_int_equal(stream_flush(stream), 0);
    assert_true(stream_unsent(stream)->size > 0);
    *ret_consumed = len - 1;
    return stream_hold(stream);
}

static int on_data(Stream *stream, const char *data, size_t len, bool eof _unused_,
                   size_t *ret_consumed) {
    Connection *connection = container_of(stream, Connection, stream);
    const char *newline = memrchr(data, '\n', len);

    connection->calls++;
    connection->seen = len;
    switch (connection->next) {
    case YIELD:
        if (connection->calls == 1) {
            stream_yield(stream);
            return 0;
        }
        the_world->order[the_world->turns++] = connection;
        break;
    case ANSWER:
        if (connection->calls == 1)
            return answer(stream, len, ret_consumed);
        break;
    case CONSUME_LINES:
        break;
    }
    *ret_consumed = newline ? newline + 1 - data : 0;
    return 0;
}

static void on_closed(Stream *stream, int error) {
    Connection *connection = container_of(stream, Connection, stream);

    connection->closed++;
    connection->error = error;
}

static const StreamOps ops = {.on_data = on_data, .on_closed = on_closed};

static void connect_it(World *world, Connection *connection) {
    const Endpoint remote = {.address.family = AF_INET};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    connection->fd = fds[1];
    assert_int_equal(
        stream_accept(&connection->stream, world->poller, &ops, fds[0], &remote, 2 * ANSWER_BYTES),
        0);
}

static int set_up(void **state) {
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(poller_new(world->event, &world->poller), 0);
    assert_int_equal(poller_set_work(world->poller, work, world), 0);
    connect_it(world, &world->a);
    connect_it(world, &world->b);
    *state = the_world = world;
    return 0;
}

static int tear_down(void **state) {
    World *world = *state;

    stream_close(&world->a.stream);
    stream_close(&world->b.stream);
    assert_int_equal(poller_held(world->poller), 0);
    poller_free(world->poller);
    sd_event_unref(world->event);
    close(world->a.fd);
    close(world->b.fd);
    free(world);
    return 0;
}

static void run(World *world, int times) {
    for (int i = 0; i < times; i++)
        assert_true(sd_event_run(world->event, 0) >= 0);
}

static void say(const Connection *connection, const char *text) {
    assert_int_equal(write(connection->fd, text, strlen(text)), strlen(text));
}

static void test_a_silent_one_has_nothing(void **state) {
    World *world = *state;

    assert_null(world->a.stream.work);
    say(&world->a, "whole\nhalf");
    run(world, 2);
    assert_int_equal(world->a.calls, 1);
    assert_int_equal(stream_unconsumed(&world->a.stream)->size, 4);
    assert_true(poller_held(world->poller) > sizeof(StreamWork));
    say(&world->a, " of it\n");
    run(world, 2);
    assert_int_equal(world->a.seen, strlen("half of it\n"));
    assert_null(world->a.stream.work);
    assert_int_equal(poller_held(world->poller), 0);
}

static void test_a_timeout_is_something(void **state) {
    World *world = *state;

    assert_int_equal(stream_set_timeout(&world->a.stream, UINT64_C(3600000000)), 0);
    assert_non_null(world->a.stream.work);
    say(&world->a, "line\n");
    run(world, 2);
    assert_non_null(world->a.stream.work);
    assert_int_equal(stream_set_timeout(&world->a.stream, 0), 0);
    assert_null(world->a.stream.work);
}

static void test_one_has_its_turn_after_the_other(void **state) {
    World *world = *state;

    world->a.next = world->b.next = YIELD;
    say(&world->b, "first\n");
    run(world, 1);
    say(&world->a, "second\n");
    assert_int_equal(world->b.calls, 1);
    run(world, 1); // reads a; b's turn is in the same batch
    assert_true(world->a.stream.work->paused);
    assert_int_equal(world->turns, 1);
    run(world, 3);
    assert_int_equal(world->turns, 2);
    assert_ptr_equal(world->order[0], &world->b);
    assert_ptr_equal(world->order[1], &world->a);
    assert_null(world->a.stream.work);
}

static void test_one_that_goes_while_it_waits(void **state) {
    World *world = *state;

    world->a.next = world->b.next = YIELD;
    say(&world->a, "first\n");
    say(&world->b, "second\n");
    run(world, 1);
    assert_int_equal(world->a.calls + world->b.calls, 2);
    stream_close(&world->a.stream);
    run(world, 5);
    assert_int_equal(world->turns, 1);
    assert_ptr_equal(world->order[0], &world->b);
}

// The stream is read again when all was taken, and not before.
static void test_hold(void **state) {
    static char taken[ANSWER_BYTES];
    World *world = *state;
    size_t sum = 0;

    world->a.next = ANSWER;
    say(&world->a, "question\n");
    run(world, 2);
    say(&world->a, "another\n");
    run(world, 5);
    assert_int_equal(world->a.calls, 1);
    assert_true(stream_is_on_hold(&world->a.stream));
    for (int i = 0; i < 10000 && sum < ANSWER_BYTES; i++) {
        ssize_t n = read(world->a.fd, taken, sizeof(taken));

        sum += n > 0 ? n : 0;
        if (sum < ANSWER_BYTES / 2)
            assert_int_equal(world->a.calls, 1);
        run(world, 1);
    }
    assert_int_equal(sum, ANSWER_BYTES);
    run(world, 3);
    assert_int_equal(world->a.calls, 3); // for the remaining byte, and for what arrived meanwhile
    assert_int_equal(world->a.seen, strlen("another\n"));
    assert_false(stream_is_on_hold(&world->a.stream));
    assert_int_equal(world->a.closed, 0);
}

static void test_end_while_it_waits(void **state) {
    World *world = *state;

    world->a.next = YIELD;
    say(&world->a, "last\n");
    shutdown(world->a.fd, SHUT_WR);
    run(world, 10);
    assert_int_equal(world->turns, 2); // the line and the end
    assert_int_equal(world->a.closed, 1);
    assert_int_equal(world->a.error, 0);
}

static void test_where_there_is_no_memory(void **state) {
    World *world = *state;
    Buffer *full = &poller_streams(world->poller)->full;

    assert_int_equal(buffer_append(full, "x", 1), -ENOMEM);
    assert_null(buffer_reserve(full, 1));
    assert_int_equal(buffer_append(full, "", 0), 0);
}

static int tcp_option(int fd, int name) {
    socklen_t len = sizeof(int);
    int value;

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, name, &value, &len), 0);
    return value;
}

// Connections that begin together send their probes at different times.
static void test_keep_alive_is_spread(void **state _unused_) {
    bool seen[76] = {};
    size_t different = 0;

    for (size_t i = 0; i < 64; i++) {
        Stream stream = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        int idle, interval;

        stream_keep_alive(&stream);
        idle = tcp_option(stream.fd, TCP_KEEPIDLE);
        interval = tcp_option(stream.fd, TCP_KEEPINTVL);
        assert_in_range(idle, 25, 75);
        assert_in_range(interval, 5, 15);
        // At least three probes fit.
        assert_true(idle + 3 * interval <= tcp_option(stream.fd, TCP_USER_TIMEOUT) / 1000);
        different += !seen[idle];
        seen[idle] = true;
        close(stream.fd);
    }
    assert_true(different > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_silent_one_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_timeout_is_something, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_has_its_turn_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_goes_while_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_while_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_there_is_no_memory, set_up, tear_down),
        cmocka_unit_test(test_keep_alive_is_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
