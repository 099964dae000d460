// SPDX-License-Identifier: MIT

// Work in small pieces delays neither the sockets of the poller nor other sources of the loop.

#include "test.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/poller.h"

typedef struct World {
    sd_event *event;
    Poller *poller;
    PollWatch watch;
    int fds[2];
    int work_left; // calls until no work is left
    int worked, served, others, batches;
} World;

static bool work(void *userdata) {
    World *world = userdata;

    world->worked++;
    return --world->work_left > 0;
}

static void on_watch(PollWatch *watch, uint32_t events) {
    World *world = container_of(watch, World, watch);
    char byte;

    assert_int_equal(events, EPOLLIN);
    assert_int_equal(read(watch->fd, &byte, 1), 1);
    world->served++;
}

static int on_other(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_,
                    void *userdata) {
    World *world = userdata;

    world->others++;
    return 0;
}

static void on_batch(void *userdata) {
    World *world = userdata;

    world->batches++;
}

static int set_up(void **state) {
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(poller_new(world->event, &world->poller), 0);
    assert_int_equal(poller_set_work(world->poller, work, world), 0);
    poller_after_batch(world->poller, on_batch, world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, world->fds), 0);
    assert_int_equal(poller_add(world->poller, &world->watch, world->fds[0], EPOLLIN, on_watch), 0);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    World *world = *state;

    poller_remove(world->poller, &world->watch);
    poller_free(world->poller);
    sd_event_unref(world->event);
    close(world->fds[0]);
    close(world->fds[1]);
    free(world);
    return 0;
}

static void run(World *world, int times) {
    for (int i = 0; i < times; i++)
        assert_true(sd_event_run(world->event, 0) >= 0);
}

static void test_no_work_is_not_done(void **state) {
    World *world = *state;

    run(world, 10);
    assert_int_equal(world->worked, 0);
    assert_int_equal(world->batches, 0);
}

static void test_done_until_there_is_none(void **state) {
    World *world = *state;

    world->work_left = 3;
    poller_has_work(world->poller);
    poller_has_work(world->poller); // changes nothing
    run(world, 20);
    assert_int_equal(world->worked, 3);
    assert_int_equal(world->batches, 3);
    world->work_left = 1;
    poller_has_work(world->poller);
    run(world, 20);
    assert_int_equal(world->worked, 4);
}

// There is always more work.
static void test_sockets_are_served_meanwhile(void **state) {
    World *world = *state;

    world->work_left = 1000;
    poller_has_work(world->poller);
    run(world, 5);
    assert_in_range(world->worked, 1, 5);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(write(world->fds[1], "x", 1), 1);
        run(world, 2);
        assert_int_equal(world->served, i);
    }
}

static void test_other_sources_have_their_turn(void **state) {
    _cleanup_(sd_event_source_unrefp) sd_event_source *other = NULL;
    World *world = *state;

    // It is always ready, too.
    assert_true(sd_event_add_io(world->event, &other, world->fds[1], EPOLLOUT, on_other, world) >=
                0);
    world->work_left = 1000;
    poller_has_work(world->poller);
    run(world, 100);
    assert_in_range(world->worked, 40, 60);
    assert_in_range(world->others, 40, 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_work_is_not_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_done_until_there_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sockets_are_served_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_sources_have_their_turn, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
