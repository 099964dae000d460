// SPDX-License-Identifier: MIT

// Peer1 on a socket pair, without a bus daemon: the peer behind it is idle, and has started no
// thread.

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/names.h"
#include "peer/bus/peer-bus.h"

static char dir[] = "/tmp/test-peer-bus.XXXXXX";

typedef struct Fixture {
    sd_event *event;
    Peer *peer;
    PeerBus *served;
    sd_bus *caller;
} Fixture;

static int remove_one(const char *name, const struct stat *st _unused_, int flag _unused_,
                      struct FTW *ftw _unused_) {
    return remove(name);
}

static sd_bus *open_end(Fixture *fixture, int fd, bool server) {
    sd_id128_t id = SD_ID128_MAKE(50, 32, 50, 65, 65, 72, 42, 75, 73, 31, 70, 65, 65, 72, 31, 0);
    sd_bus *bus;

    assert_true(sd_bus_new(&bus) >= 0);
    assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
    if (server)
        assert_true(sd_bus_set_server(bus, true, id) >= 0);
    assert_true(sd_bus_set_anonymous(bus, true) >= 0);
    assert_true(sd_bus_start(bus) >= 0);
    assert_true(sd_bus_attach_event(bus, fixture->event, SD_EVENT_PRIORITY_NORMAL) >= 0);
    return bus;
}

static int set_up(void **state) {
    static Fixture fixture;
    PeerConfig config = {.max_uploads = 1, .hash_threads = 1};
    sd_bus *bus;
    int fds[2];

    assert_non_null(mkdtemp(dir));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    assert_true(sd_event_new(&fixture.event) >= 0);
    config.state_dir = strdup(dir);
    config.download_dir = strdup(dir);
    assert_int_equal(peer_new(fixture.event, &config, &fixture.peer), 0);
    bus = open_end(&fixture, fds[0], true);
    assert_int_equal(peer_bus_new(fixture.peer, NULL, bus, &fixture.served), 0);
    sd_bus_unref(bus);
    fixture.caller = open_end(&fixture, fds[1], false);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    Fixture *fixture = *state;

    peer_free(fixture->peer);
    peer_bus_free(fixture->served);
    sd_bus_close_unref(fixture->caller);
    sd_event_unref(fixture->event);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
    *(sd_bus_message **)userdata = sd_bus_message_ref(reply);
    return 0;
}

// Both ends are in this process, so the call must not block.
static sd_bus_message *call(Fixture *fixture, const char *interface, const char *method,
                            const char *types, const char *a, const char *b) {
    sd_bus_message *reply = NULL;

    assert_true(sd_bus_call_method_async(fixture->caller, NULL, BUS_PEER_NAME, BUS_PEER_PATH,
                                         interface, method, on_reply, &reply, types, a, b) >= 0);
    for (int i = 0; i < 1000 && !reply; i++)
        assert_true(sd_event_run(fixture->event, 10 * USEC_PER_MSEC) >= 0);
    assert_non_null(reply);
    return reply;
}

static void test_properties(void **state) {
    static const struct {
        const char *property, *value;
    } rows[] = {
        {"State", "idle"},
        {"FileTracker", ""},
        {"DownloadDirectory", dir},
        {"WatchProblem", ""},
    };
    const char *value;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        sd_bus_message *reply = call(*state, "org.freedesktop.DBus.Properties", "Get", "ss",
                                     BUS_PEER_INTERFACE, rows[i].property);

        print_message("  %s\n", rows[i].property);
        assert_true(sd_bus_message_read(reply, "v", "s", &value) >= 0);
        assert_string_equal(value, rows[i].value);
        sd_bus_message_unref(reply);
    }
}

static void test_not_joined(void **state) {
    sd_bus_message *reply = call(*state, BUS_PEER_INTERFACE, "Search", "s", "a.txt", NULL);

    assert_true(sd_bus_message_is_method_error(reply, BUS_ERROR_NOT_JOINED));
    sd_bus_message_unref(reply);
}

static void test_invalid_name(void **state) {
    sd_bus_message *reply = call(*state, BUS_PEER_INTERFACE, "Search", "s", "a/b", NULL);

    assert_true(sd_bus_message_is_method_error(reply, BUS_ERROR_INVALID_NAME));
    sd_bus_message_unref(reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_not_joined),
        cmocka_unit_test(test_invalid_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
