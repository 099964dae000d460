// SPDX-License-Identifier: MIT

#include "util/timer.h"

#include "test.h"
#include "util/macro.h"
#include "util/time-util.h"

typedef struct World {
    sd_event *event;
    sd_event_source *timer;
    unsigned calls;
    uint64_t again; // the handler arms the timer again, that many µs ahead; 0: it does not
} World;

static int on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    World *world = userdata;

    world->calls++;
    if (world->again > 0)
        assert_int_equal(timer_arm(source, world->again), 0);
    return 0;
}

static int setup(void **state) {
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(timer_new(world->event, 1, on_timer, world, &world->timer), 0);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    World *world = *state;

    sd_event_source_disable_unref(world->timer);
    sd_event_unref(world->event);
    free(world);
    return 0;
}

// Runs what is due within that time.
static void run(const World *world, uint64_t usec) {
    const uint64_t end = time_monotonic() + usec;
    uint64_t now;

    while ((now = time_monotonic()) < end)
        assert_true(sd_event_run(world->event, end - now) >= 0);
}

static void test_new_is_not_armed(void **state) {
    const World *world = *state;

    assert_false(timer_is_armed(world->timer));
    run(world, 5 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 0);
}

static void test_once(void **state) {
    const World *world = *state;

    assert_int_equal(timer_arm(world->timer, 0), 0);
    assert_true(timer_is_armed(world->timer));
    run(world, 20 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 1);
    assert_false(timer_is_armed(world->timer));
}

static void test_later_replaces_earlier(void **state) {
    const World *world = *state;

    assert_int_equal(timer_arm(world->timer, 0), 0);
    assert_int_equal(timer_arm_at(world->timer, time_monotonic() + 60 * USEC_PER_SEC), 0);
    run(world, 5 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 0);
    assert_true(timer_is_armed(world->timer));
    assert_int_equal(timer_arm_at(world->timer, time_monotonic()), 0);
    run(world, 20 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 1);
}

static void test_stop(void **state) {
    const World *world = *state;

    assert_int_equal(timer_arm(world->timer, 0), 0);
    timer_stop(world->timer);
    assert_false(timer_is_armed(world->timer));
    run(world, 5 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 0);
}

static void test_handler_arms_again(void **state) {
    World *world = *state;

    world->again = USEC_PER_MSEC;
    assert_int_equal(timer_arm(world->timer, 0), 0);
    for (int i = 0; i < 1000 && world->calls < 3; i++)
        assert_true(sd_event_run(world->event, USEC_PER_SEC) >= 0);
    assert_int_equal(world->calls, 3);
    assert_true(timer_is_armed(world->timer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_is_not_armed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_replaces_earlier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handler_arms_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
