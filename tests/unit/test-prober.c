// SPDX-License-Identifier: MIT

// Which site's turn it is, on loopback: at a port that answers, and at one that neither accepts nor
// refuses connections.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ft/prober.h"
#include "test.h"
#include "util/time-util.h"

enum {
    FILLERS = 4, // connections beyond a backlog of 0
    MANY = 40,   // more than all sites may have at once, by more than one site may have
    SITE = 1000, // not the first: there may be a million
    OTHER = 7,
    THIRD = 8,
};

typedef struct World {
    sd_event *event;
    Poller *poller;
    Prober *prober;
    int there_fd, hole_fd, filler_fds[FILLERS];
    Endpoint there, hole;
} World;

typedef struct Try {
    Probe *probe;
    bool done;
    Reachability result;
    unsigned turn; // the place in the order in which probes ended
} Try;

static unsigned turns;

static int listen_at(Endpoint *ret) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret = (Endpoint){
        .address = {.family = AF_INET, .v4 = address.sin_addr},
        .port = ntohs(address.sin_port),
    };
    return fd;
}

static void fill(World *world) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = world->hole.address.v4,
        .sin_port = htons(world->hole.port),
    };

    for (size_t i = 0; i < FILLERS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        (void)connect(fd, (struct sockaddr *)&address, sizeof(address));
        world->filler_fds[i] = fd;
    }
}

static int setup(void **state) {
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_true(sd_event_new(&world->event) >= 0);
    assert_int_equal(poller_new(world->event, &world->poller), 0);
    assert_int_equal(prober_new(world->event, world->poller, &world->prober), 0);
    world->there_fd = listen_at(&world->there);
    assert_int_equal(listen(world->there_fd, 128), 0);
    world->hole_fd = listen_at(&world->hole);
    assert_int_equal(listen(world->hole_fd, 0), 0);
    fill(world);
    turns = 0;
    *state = world;
    return 0;
}

static int teardown(void **state) {
    World *world = *state;

    prober_free(world->prober);
    poller_free(world->poller);
    sd_event_unref(world->event);
    for (size_t i = 0; i < FILLERS; i++)
        close(world->filler_fds[i]);
    close(world->there_fd);
    close(world->hole_fd);
    free(world);
    return 0;
}

static void on_probed(Reachability result, void *userdata) {
    Try *try = userdata;

    assert_false(try->done);
    try->done = true;
    try->result = result;
    try->turn = ++turns;
    try->probe = NULL;
}

static void start(World *world, SiteId site, const Endpoint *remote, Try *try) {
    *try = (Try){};
    assert_int_equal(prober_try(world->prober, site, remote, on_probed, try, &try->probe), 0);
}

static void finish(World *world, const Try *try) {
    uint64_t deadline = time_monotonic() + 60 * USEC_PER_SEC;

    while (!try->done) {
        assert_true(time_monotonic() < deadline);
        assert_true(sd_event_run(world->event, 10 * USEC_PER_MSEC) >= 0);
    }
}

static size_t count_done(const Try *tries, size_t n) {
    size_t done = 0;

    for (size_t i = 0; i < n; i++)
        done += tries[i].done;
    return done;
}

// A site with many peers behind a firewall, or one that claims to have them.
static void test_one_site_does_not_keep_others_waiting(void **state) {
    World *world = *state;
    Try many[MANY], other;

    for (size_t i = 0; i < MANY; i++)
        start(world, SITE, &world->hole, &many[i]);
    start(world, OTHER, &world->there, &other);
    finish(world, &other);
    assert_int_equal(other.result, REACHABLE_YES);
    // If the machine was so slow that probes timed out, those behind them must not have.
    assert_in_range(count_done(many, MANY), 0, PROBES_PER_SITE);
    for (size_t i = 0; i < MANY; i++)
        probe_free(many[i].probe);
}

static void test_turns(void **state) {
    World *world = *state;
    Try one[3], other, third;

    for (size_t i = 0; i < ELEMENTSOF(one); i++)
        start(world, SITE, &world->there, &one[i]);
    start(world, OTHER, &world->there, &other);
    start(world, THIRD, &world->there, &third);
    finish(world, &one[2]);
    assert_true(one[0].turn < other.turn && other.turn < third.turn);
    assert_true(third.turn < one[1].turn && one[1].turn < one[2].turn);
}

static void test_share_of_a_site(void **state) {
    World *world = *state;
    Try stuck[PROBES_PER_SITE], behind, others[PROBES_PER_SITE + 3];

    for (size_t i = 0; i < ELEMENTSOF(stuck); i++)
        start(world, SITE, &world->hole, &stuck[i]);
    start(world, SITE, &world->there, &behind);
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        start(world, OTHER, &world->there, &others[i]);
    finish(world, &others[ELEMENTSOF(others) - 1]);
    assert_true(!behind.done || count_done(stuck, ELEMENTSOF(stuck)) > 0);
    // One probe less makes room for another.
    stuck[1].probe = probe_free(stuck[1].probe);
    finish(world, &behind);
    assert_int_equal(behind.result, REACHABLE_YES);
    for (size_t i = 0; i < ELEMENTSOF(stuck); i++)
        probe_free(stuck[i].probe);
}

// The number belongs to another site later.
static void test_all_gone(void **state) {
    World *world = *state;
    Try tries[3];

    for (size_t i = 0; i < ELEMENTSOF(tries); i++)
        start(world, SITE, &world->hole, &tries[i]);
    for (size_t i = 0; i < ELEMENTSOF(tries); i++)
        probe_free(tries[i].probe);
    start(world, SITE, &world->there, &tries[0]);
    finish(world, &tries[0]);
    assert_int_equal(tries[0].result, REACHABLE_YES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_site_does_not_keep_others_waiting, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_a_site, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_gone, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
