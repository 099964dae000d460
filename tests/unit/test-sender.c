// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer/uploads/sender.h"
#include "test.h"
#include "util/time-util.h"

enum {
    FILE_BYTES = 3 * 1024 * 1024 + 5, // more than a step, and more than a socket takes at once
    TAIL_BYTES = 8 * 1024,            // as in sender.c
    UNDER_WAY = 1,                    // no result yet; results are 0 or less
    SLOW_RATE = 1024 * 1024,
};
enum {
    STALL_BYTES = 16 * 1024, // as there
    STALL_CROWDED_BYTES = 128 * 1024,
};
static const uint64_t STALL_USEC = 60 * USEC_PER_SEC; // as in sender.c

static const IpAddress remote = {.family = AF_INET, .v4 = {1}};
static AddressPrefix all_addresses = {.address = {.family = AF_INET}, .bits = 0};

typedef struct World {
    sd_event *event;
    Poller *poller;
    Sender sender;
    char *content; // of the file
    int file_fd;
    FileStamp stamp;
} World;

// One connection: what is sent, and what has arrived at the other end.
typedef struct Line {
    Send send;
    PollWatch watch;
    int other_fd;
    int result;
    unsigned turn; // the how manieth was done
    Buffer arrived;
    _Atomic uint64_t moved;
} Line;

static unsigned turns;

static int setup(void **state) {
    World *world = calloc(1, sizeof(*world));
    FILE *file = tmpfile();

    assert_non_null(world);
    assert_non_null(file);
    // sendfile(2) has no MSG_NOSIGNAL, so the daemon does the same.
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    world->content = malloc(FILE_BYTES);
    assert_non_null(world->content);
    for (size_t i = 0; i < FILE_BYTES; i++)
        world->content[i] = (char)(i * 7 + i / 251);
    world->file_fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
    fclose(file);
    assert_int_equal(write(world->file_fd, world->content, FILE_BYTES), FILE_BYTES);
    assert_int_equal(file_stamp_get(world->file_fd, &world->stamp), 0);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(poller_new(world->event, &world->poller), 0);
    assert_true(sender_init(&world->sender, world->event, world->poller) >= 0);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    World *world = *state;

    sender_done(&world->sender);
    poller_free(world->poller);
    sd_event_unref(world->event);
    close(world->file_fd);
    free(world->content);
    free(world);
    return 0;
}

static void on_done(Send *send, int result) {
    Line *line = container_of(send, Line, send);

    assert_int_equal(line->result, UNDER_WAY); // once
    assert_true(result <= 0);
    line->result = result;
    line->turn = ++turns;
}

static void on_ready(PollWatch *watch, uint32_t events) {
    Line *line = container_of(watch, Line, watch);

    if (line->result == UNDER_WAY)
        send_ready(&line->send, events);
}

static void line_open(World *world, Line *line) {
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    *line = (Line){
        .other_fd = fds[1],
        .result = UNDER_WAY,
        .send = {.watch = &line->watch,
                 .remote = remote,
                 .file_fd = world->file_fd,
                 .stamp = &world->stamp,
                 .end = FILE_BYTES,
                 .moved = &line->moved,
                 .on_done = on_done},
    };
    assert_int_equal(poller_add(world->poller, &line->watch, fds[0], 0, on_ready), 0);
}

static void line_close(World *world, Line *line) {
    int fd = line->watch.fd;

    send_stop(&line->send);
    poller_remove(world->poller, &line->watch);
    close(fd);
    if (line->other_fd >= 0)
        close(line->other_fd);
    buffer_clear(&line->arrived);
}

static int line_start(World *world, Line *line) {
    int r = send_start(&world->sender, &line->send);

    if (r != 0)
        line->result = MIN(r, 0);
    return r;
}

static void take(Line *line) {
    for (;;) {
        char *room = buffer_reserve(&line->arrived, 65536);
        ssize_t n;

        assert_non_null(room);
        n = read(line->other_fd, room, 65536);
        if (n <= 0)
            return;
        buffer_commit(&line->arrived, n);
    }
}

// The other side reads until the end has come.
static void finish(World *world, Line *line) {
    uint64_t deadline = time_monotonic() + 60 * USEC_PER_SEC;

    while (line->result == UNDER_WAY) {
        assert_true(time_monotonic() < deadline);
        take(line);
        assert_true(sd_event_run(world->event, 10 * USEC_PER_MSEC) >= 0);
    }
    take(line);
}

static void assert_arrived(const Line *line, const char *lead, const char *body, size_t len) {
    size_t before = strlen(lead);

    assert_int_equal(line->arrived.size, before + len);
    assert_memory_equal(buffer_data(&line->arrived), lead, before);
    assert_memory_equal(buffer_data(&line->arrived) + before, body, len);
    assert_int_equal(line->moved, len);
}

static void test_all_at_once(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    line.send.memory = "0123456789";
    line.send.offset = 3;
    line.send.end = 7;
    assert_int_equal(buffer_append(&line.send.lead, "head ", 5), 0);
    assert_int_equal(line_start(world, &line), 1);
    take(&line);
    assert_arrived(&line, "head ", "3456", 4);
    assert_int_equal(world->sender.total, 4);
    assert_null(line.send.lead.data); // nobody is left who would free it
    line_close(world, &line);
}

static void test_no_body(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    line.send.end = 0;
    assert_int_equal(buffer_append(&line.send.lead, "head", 4), 0);
    // Who may send nothing of a body needs no rate.
    sender_configure(&world->sender, SLOW_RATE, (PrefixList){});
    assert_int_equal(line_start(world, &line), 1);
    take(&line);
    assert_arrived(&line, "head", "", 0);
    line_close(world, &line);
}

static void test_file(void **state) {
    static const struct {
        const char *proves;
        uint64_t offset, end;
    } rows[] = {
        {"the whole file", 0, FILE_BYTES},
        {"a part that ends before the file", 1000, FILE_BYTES - 1},
        {"as much as is copied at the end", 11, 11 + TAIL_BYTES},
        {"a byte more than that", 11, 12 + TAIL_BYTES},
        {"the last byte", FILE_BYTES - 1, FILE_BYTES},
    };
    World *world = *state;
    uint64_t total = 0;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Line line;

        ROW(&rows[i]);
        line_open(world, &line);
        line.send.offset = rows[i].offset;
        line.send.end = rows[i].end;
        assert_int_equal(buffer_append(&line.send.lead, "head ", 5), 0);
        assert_true(line_start(world, &line) >= 0);
        finish(world, &line);
        assert_int_equal(line.result, 0);
        assert_arrived(&line, "head ", world->content + rows[i].offset,
                       rows[i].end - rows[i].offset);
        total += rows[i].end - rows[i].offset;
        assert_int_equal(world->sender.total, total);
        line_close(world, &line);
    }
}

// Two versions are never one answer: it stays too short.
static void test_file_that_changes(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    assert_int_equal(line_start(world, &line), 0);
    assert_int_equal(ftruncate(world->file_fd, FILE_BYTES + 1), 0);
    finish(world, &line);
    assert_int_equal(line.result, -ESTALE);
    assert_in_range(line.arrived.size, 1, FILE_BYTES - TAIL_BYTES);
    line_close(world, &line);
}

// What is left to be copied is looked at once more.
static void test_file_that_changes_at_last(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    line.send.end = 100 + TAIL_BYTES;
    assert_int_equal(line_start(world, &line), 0);
    assert_int_equal(line.moved, 100);
    assert_int_equal(ftruncate(world->file_fd, FILE_BYTES + 1), 0);
    finish(world, &line);
    assert_int_equal(line.result, -ESTALE);
    assert_int_equal(line.arrived.size, 100);
    line_close(world, &line);
}

static void test_file_that_has_changed(void **state) {
    static const uint64_t sizes[] = {1, TAIL_BYTES, FILE_BYTES};
    World *world = *state;

    assert_int_equal(ftruncate(world->file_fd, FILE_BYTES - 1), 0);
    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        Line line;

        line_open(world, &line);
        line.send.end = sizes[i];
        assert_int_equal(line_start(world, &line), -ESTALE);
        take(&line);
        assert_int_equal(line.arrived.size, 0);
        line_close(world, &line);
    }
}

static void test_other_side_gone(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    assert_int_equal(line_start(world, &line), 0);
    line.other_fd = close_fd(line.other_fd);
    while (line.result == UNDER_WAY)
        assert_true(sd_event_run(world->event, USEC_PER_SEC) >= 0);
    assert_in_set(-line.result, ((const uintmax_t[]){EPIPE, ECONNRESET}), 2);
    line_close(world, &line);
}

static void test_stop(void **state) {
    World *world = *state;
    Line line;

    line_open(world, &line);
    send_stop(&line.send); // harmless
    assert_int_equal(buffer_append(&line.send.lead, "head", 4), 0);
    sender_configure(&world->sender, SLOW_RATE, (PrefixList){});
    assert_int_equal(line_start(world, &line), 0);
    send_stop(&line.send);
    send_stop(&line.send);
    assert_true(TAILQ_EMPTY(&world->sender.active) && TAILQ_EMPTY(&world->sender.starved));
    assert_null(line.send.lead.data);
    sender_configure(&world->sender, 0, (PrefixList){});
    sender_tick(&world->sender, time_monotonic() + 2 * STALL_USEC, false);
    assert_int_equal(line.result, UNDER_WAY);
    line_close(world, &line);
}

// A changed rate begins with an empty bucket, so that the first one waits.
static void test_rate(void **state) {
    World *world = *state;
    Line limited, exempt;

    sender_configure(&world->sender, SLOW_RATE, (PrefixList){.items = &all_addresses, .count = 1});
    line_open(world, &exempt);
    exempt.send.end = 100;
    assert_int_equal(line_start(world, &exempt), 1);
    line_close(world, &exempt);

    sender_configure(&world->sender, SLOW_RATE, (PrefixList){});
    line_open(world, &limited);
    limited.send.end = 100;
    assert_int_equal(poller_change(world->poller, &limited.watch, EPOLLOUT), 0);
    assert_int_equal(buffer_append(&limited.send.lead, "head ", 5), 0);
    assert_int_equal(line_start(world, &limited), 0);
    assert_int_equal(limited.watch.events, 0); // or it would be asked again and again
    take(&limited);
    assert_int_equal(limited.arrived.size, 0); // the head does not leave alone
    finish(world, &limited);
    assert_int_equal(limited.result, 0);
    assert_arrived(&limited, "head ", world->content, 100);
    line_close(world, &limited);
}

// What is under way goes on as soon as it may.
static void test_no_rate_any_more(void **state) {
    static const struct {
        const char *proves;
        uint64_t rate;
        PrefixList exempt;
    } rows[] = {
        {"no rate", 0, {}},
        {"an exception", 1, {.items = &all_addresses, .count = 1}},
    };
    World *world = *state;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Line line;

        ROW(&rows[i]);
        sender_configure(&world->sender, 1, (PrefixList){}); // a byte per second
        line_open(world, &line);
        assert_int_equal(line_start(world, &line), 0);
        sender_configure(&world->sender, rows[i].rate, rows[i].exempt);
        finish(world, &line);
        assert_int_equal(line.result, 0);
        assert_arrived(&line, "", world->content, FILE_BYTES);
        line_close(world, &line);
    }
}

// Whoever comes later does not take what those who wait have been waiting for.
static void test_first_come(void **state) {
    World *world = *state;
    Line lines[3];

    turns = 0;
    sender_configure(&world->sender, SLOW_RATE, (PrefixList){});
    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        line_open(world, &lines[i]);
        lines[i].send.end = 40 * 1000; // three turns; a first grant is not enough for all
        world->sender.rate.filled -= i * USEC_PER_SEC; // there would be enough for the later ones
        assert_int_equal(line_start(world, &lines[i]), 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        finish(world, &lines[i]);
        assert_int_equal(lines[i].result, 0);
        assert_int_equal(lines[i].turn, i + 1);
        line_close(world, &lines[i]);
    }
}

static void test_hangup_of_one_that_waits(void **state) {
    World *world = *state;
    Line line;

    sender_configure(&world->sender, 1, (PrefixList){});
    line_open(world, &line);
    assert_int_equal(line_start(world, &line), 0);
    send_ready(&line.send, 0);
    assert_int_equal(line.result, UNDER_WAY);
    send_ready(&line.send, EPOLLHUP);
    assert_int_equal(line.result, -ECONNRESET);
    assert_true(TAILQ_EMPTY(&world->sender.starved));
    line_close(world, &line);
}

static void test_stall(void **state) {
    World *world = *state;
    Line line;
    uint64_t now;

    line_open(world, &line);
    assert_int_equal(line_start(world, &line), 0);
    sender_tick(&world->sender, time_monotonic(), false);
    assert_int_equal(line.result, UNDER_WAY);

    // It has taken something meanwhile, and only we have not come to look.
    take(&line);
    now = time_monotonic();
    line.send.stall_since = now - STALL_USEC;
    sender_tick(&world->sender, now, false);
    assert_int_equal(line.result, UNDER_WAY);
    assert_true(line.send.stall_since >= now);

    now = time_monotonic();
    line.send.stall_since = now - STALL_USEC;
    sender_tick(&world->sender, now, false);
    assert_int_equal(line.result, -ETIMEDOUT);
    assert_true(TAILQ_EMPTY(&world->sender.active));
    line_close(world, &line);
}

// A file that moves too slowly for those who wait has its time, and then goes; else it may be slow.
static void test_too_slow_for_others(void **state) {
    static const struct {
        const char *proves;
        size_t taken;     // by the other side within that time
        uint64_t crowded; // so long ago, but for 0: never
        bool memory, lives;
    } rows[] = {
        {"nobody waits", STALL_BYTES, 0, false, true},
        {"others wait", STALL_CROWDED_BYTES - 1, 1, false, false},
        {"others wait, and it is fast enough", STALL_CROWDED_BYTES, 1, false, true},
        {"others were waiting a moment ago", STALL_BYTES, STALL_USEC / 2, false, false},
        {"others were waiting long ago", STALL_BYTES, STALL_USEC, false, true},
        {"what needs no slot", STALL_BYTES, 1, true, true},
    };
    World *world = *state;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Line line;
        uint64_t now;

        ROW(&rows[i]);
        line_open(world, &line);
        line.send.memory = rows[i].memory ? world->content : NULL;
        world->sender.crowded_until = 0;
        assert_int_equal(line_start(world, &line), 0);
        now = time_monotonic();
        line.send.stall_since = now - STALL_USEC;
        if (rows[i].crowded > 0)
            sender_tick(&world->sender, now - rows[i].crowded, true);
        // As if no more than that had gone out since then, and the socket takes nothing now.
        line.send.stall_sent = line.send.sent - rows[i].taken;
        sender_tick(&world->sender, now, false);
        assert_int_equal(line.result, rows[i].lives ? UNDER_WAY : -ETIMEDOUT);
        line_close(world, &line);
    }
}

// Who waits for our rate has not stalled.
static void test_no_stall_of_one_that_waits(void **state) {
    World *world = *state;
    Line line;
    uint64_t now;

    sender_configure(&world->sender, 1, (PrefixList){});
    line_open(world, &line);
    assert_int_equal(line_start(world, &line), 0);
    now = time_monotonic() + 10 * STALL_USEC;
    sender_tick(&world->sender, now, false);
    assert_int_equal(line.result, UNDER_WAY);
    assert_int_equal(line.send.stall_since, now);
    line_close(world, &line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_changes_at_last, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_has_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_side_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_rate_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_come, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangup_of_one_that_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stall, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_slow_for_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_stall_of_one_that_waits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
