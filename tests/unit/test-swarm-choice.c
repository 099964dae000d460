// SPDX-License-Identifier: MIT

// Which sources a swarm connects, which it tries beside its places, and which it forgets: with a
// fake clock, and sources that are no more than their state.

#include "fake-clock.h"
#include "peer/swarm/swarm-internal.h"
#include "test.h"

enum {
    PLACES = 8,
};

static const uint64_t second = USEC_PER_SEC;

// ------------------------------------------------------------------ instead of the rest of a swarm

static bool needs_sources;
static bool connects_fail; // at once, as where there is no route
static int finished;       // the result; 1: not finished
static size_t assigned;
static unsigned depth; // of source_connect() in itself

int source_new(Swarm *swarm, const SwarmSourceInfo *info) {
    SwarmSource *source = calloc(1, sizeof(*source));

    assert_non_null(source);
    source->swarm = swarm;
    source->info = *info;
    source->fd = -EBADF;
    TAILQ_INSERT_TAIL(&swarm->sources, source, link);
    swarm->source_count++;
    return 0;
}

SwarmSource *source_free(SwarmSource *source) {
    TAILQ_REMOVE(&source->swarm->sources, source, link);
    source->swarm->source_count--;
    free(source);
    return NULL;
}

void source_connect(SwarmSource *source) {
    source->state = SOURCE_CONNECTING;
    source->connected_at = source->since = fake_now;
    source->swarm->engine->connections++;
    if (!connects_fail)
        return;
    source_close(source);
    source->failures++;
    source->not_before = fake_now + second;
    assert_int_equal(depth++, 0);
    swarm_source_idle(source->swarm);
    depth--;
}

void source_close(SwarmSource *source) {
    source->state = SOURCE_RESTING;
    source->since = fake_now;
    source->swarm->engine->connections--;
}

void swarm_assign(Swarm *swarm _unused_, SwarmSource *source _unused_) {
    assigned++;
}

void swarm_finish(Swarm *swarm, int result) {
    swarm->finished = true;
    finished = result;
}

bool swarm_needs_sources(Swarm *swarm _unused_, uint64_t now _unused_) {
    return needs_sources;
}

// ----------------------------------------------------------------------------------------- fixture

typedef struct Fixture {
    SwarmEngine engine;
    Swarm swarm;
} Fixture;

static SwarmSourceInfo info_of(size_t number) {
    return (SwarmSourceInfo){
        .endpoint =
            {
                .address = {.family = AF_INET, .v4.s_addr = htonl(0x0a000000u + (uint32_t)number)},
                .port = 5556,
            },
    };
}

static void add(Swarm *swarm, size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        const SwarmSourceInfo info = info_of(i);

        assert_int_equal(swarm_take_sources(swarm, &info, 1), 0);
    }
}

static SwarmSource *source_at(Swarm *swarm, size_t number) {
    const Endpoint endpoint = info_of(number).endpoint;
    SwarmSource *source;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (endpoint_equal(&source->info.endpoint, &endpoint))
            return source;
    return NULL;
}

static bool is_connected(Swarm *swarm, size_t number) {
    const SwarmSource *source = source_at(swarm, number);

    return source->state != SOURCE_RESTING && source->state != SOURCE_DROPPED;
}

// All that are connected deliver so fast.
static void deliver(Swarm *swarm, double speed) {
    SwarmSource *source;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (source->state != SOURCE_RESTING && source->state != SOURCE_DROPPED) {
            source->state = SOURCE_BODY;
            source->speed = speed;
        }
}

static void wait_usec(Swarm *swarm, uint64_t usec) {
    fake_now += usec;
    swarm_source_idle(swarm);
}

static int set_up(void **state) {
    static Fixture f;

    f = (Fixture){.swarm.engine = &f.engine};
    TAILQ_INIT(&f.swarm.sources);
    fake_now = 1000 * second;
    needs_sources = true;
    connects_fail = false;
    finished = 1;
    assigned = 0;
    depth = 0;
    *state = &f.swarm;
    return 0;
}

static int tear_down(void **state) {
    Swarm *swarm = *state;

    while (!TAILQ_EMPTY(&swarm->sources))
        source_free(TAILQ_FIRST(&swarm->sources));
    free(swarm->forgotten);
    return 0;
}

// ------------------------------------------------------------------------------------------ places

static void test_places(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 12);
    swarm_source_idle(swarm);
    assert_int_equal(swarm->engine->connections, PLACES);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(is_connected(swarm, i), i < PLACES);

    // A place that becomes free goes to a source that had no turn, not back to the one that left.
    source_close(source_at(swarm, 3));
    swarm_source_idle(swarm);
    assert_false(is_connected(swarm, 3));
    assert_true(is_connected(swarm, PLACES));
}

static void test_no_more_than_needed(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 3);
    needs_sources = false;
    swarm_source_idle(swarm);
    assert_int_equal(swarm->engine->connections, 0);
    assert_int_equal(finished, 1);
}

static void test_a_full_engine(void **state) {
    Swarm *swarm = *state;

    // Other swarms have all connections: this one gets one all the same.
    swarm->engine->connections = 2048;
    add(swarm, 0, 3);
    swarm_source_idle(swarm);
    assert_int_equal(swarm->engine->connections, 2049);
}

static void test_the_best_comes_first(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 4);
    swarm->engine->connections = 2048; // one place only
    // Known and fast, waiting in a queue, known and failed, and new.
    source_at(swarm, 0)->connected_at = source_at(swarm, 1)->connected_at = 1;
    source_at(swarm, 2)->connected_at = 1;
    source_at(swarm, 0)->speed = 1e6;
    source_at(swarm, 1)->queue_place = 3;
    source_at(swarm, 2)->failures = 1;
    for (size_t i = 0; i < 4; i++) {
        static const size_t order[] = {3, 1, 0, 2};

        swarm_source_idle(swarm);
        assert_true(is_connected(swarm, order[i]));
        source_at(swarm, order[i])->state = SOURCE_DROPPED;
    }
}

static void test_sources_that_rest(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 1);
    source_at(swarm, 0)->not_before = fake_now + 2 * second;
    swarm_source_idle(swarm);
    wait_usec(swarm, 2 * second - 1);
    assert_false(is_connected(swarm, 0));
    wait_usec(swarm, 1);
    assert_true(is_connected(swarm, 0));
}

static void test_sources_that_fail_at_once(void **state) {
    Swarm *swarm = *state;

    connects_fail = true;
    add(swarm, 0, 20);
    swarm_source_idle(swarm); // returns
    for (size_t i = 0; i < 20; i++)
        assert_in_range(source_at(swarm, i)->failures, 0, 1);
    assert_int_equal(finished, 1);
}

static void test_no_source_is_left(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 2);
    source_at(swarm, 0)->state = source_at(swarm, 1)->state = SOURCE_DROPPED;
    swarm->busy_count = 1; // a block that may complete the file is still being hashed
    swarm_source_idle(swarm);
    assert_int_equal(finished, 1);
    swarm->busy_count = 0;
    swarm_source_idle(swarm);
    assert_int_equal(finished, -ENODATA);
}

static void test_idle_sources_get_work(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 2);
    source_at(swarm, 0)->state = SOURCE_READY;
    swarm_source_idle(swarm);
    assert_int_equal(assigned, 1);
}

// ------------------------------------------------------------------------------------------ trials

static void test_a_trial_beside_slow_sources(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, PLACES + 1);
    swarm_source_idle(swarm);
    deliver(swarm, 1000);
    wait_usec(swarm, 3 * second - 1);
    assert_false(is_connected(swarm, PLACES));
    wait_usec(swarm, 1);
    assert_true(is_connected(swarm, PLACES));

    // It is much faster than the slowest of the others, which has to go after three seconds.
    deliver(swarm, 1000);
    source_at(swarm, 5)->speed = 100;
    source_at(swarm, PLACES)->speed = 1000;
    wait_usec(swarm, 3 * second - 1);
    assert_int_equal(swarm->engine->connections, PLACES + 1);
    wait_usec(swarm, 1);
    assert_true(is_connected(swarm, PLACES));
    assert_false(is_connected(swarm, 5));
    assert_true(source_at(swarm, 5)->not_before > fake_now);
}

static void test_a_trial_that_fails(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, PLACES + 1);
    swarm_source_idle(swarm);
    deliver(swarm, 1000);
    wait_usec(swarm, 3 * second);
    deliver(swarm, 1000); // as slow as the others
    wait_usec(swarm, 3 * second);
    assert_false(is_connected(swarm, PLACES));
    assert_int_equal(swarm->engine->connections, PLACES);
    // It is known now, and no faster: it gets no second trial.
    wait_usec(swarm, 120 * second);
    assert_false(is_connected(swarm, PLACES));
}

static void test_no_trial(void **state) {
    static const struct {
        const char *proves;
        double speed;
        bool held;
    } rows[] = {
        {"fast sources keep their places", 200 * 1000, false},
        {"our own rate or disk is no fault of the sources", 1000, true},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Swarm *swarm;

        ROW(&rows[i]);
        tear_down(state);
        set_up(state);
        swarm = *state;
        add(swarm, 0, PLACES + 1);
        swarm_source_idle(swarm);
        deliver(swarm, rows[i].speed);
        fake_now += 10 * second;
        swarm->held_at = rows[i].held ? fake_now : 0;
        swarm_source_idle(swarm);
        assert_false(is_connected(swarm, PLACES));
    }
}

// --------------------------------------------------------------------------------- which are known

static void test_each_source_once(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, 3);
    add(swarm, 0, 4);
    assert_int_equal(swarm->source_count, 4);
}

static void test_dropped_sources_make_room(void **state) {
    Swarm *swarm = *state;

    add(swarm, 0, SWARM_SOURCES_MAX);
    add(swarm, 100, 1);
    assert_null(source_at(swarm, 100)); // no room

    source_at(swarm, 7)->state = source_at(swarm, 8)->state = SOURCE_DROPPED;
    source_at(swarm, 9)->state = source_at(swarm, 10)->state = SOURCE_DROPPED;
    source_at(swarm, 7)->lied = true; // stays known longest
    source_at(swarm, 8)->since = 5;
    source_at(swarm, 9)->since = 4;
    source_at(swarm, 10)->busy_count = 1; // in the verify thread
    add(swarm, 100, 1);
    assert_non_null(source_at(swarm, 100));
    assert_null(source_at(swarm, 9)); // was dropped first
    add(swarm, 101, 1);
    assert_null(source_at(swarm, 8));
    add(swarm, 102, 1);
    assert_null(source_at(swarm, 7));
    add(swarm, 103, 1);
    assert_null(source_at(swarm, 103));
    assert_int_equal(swarm->source_count, SWARM_SOURCES_MAX);

    // FT names them again and again: they are not taken in again.
    source_at(swarm, 20)->state = SOURCE_DROPPED;
    add(swarm, 7, 3);
    assert_non_null(source_at(swarm, 20));
    assert_null(source_at(swarm, 9));
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_places),
        TEST(test_no_more_than_needed),
        TEST(test_a_full_engine),
        TEST(test_the_best_comes_first),
        TEST(test_sources_that_rest),
        TEST(test_sources_that_fail_at_once),
        TEST(test_no_source_is_left),
        TEST(test_idle_sources_get_work),
        TEST(test_a_trial_beside_slow_sources),
        TEST(test_a_trial_that_fails),
        TEST(test_no_trial),
        TEST(test_each_source_once),
        TEST(test_dropped_sources_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
