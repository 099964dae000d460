// SPDX-License-Identifier: MIT

// Sections [peer] and [share]: what the peer makes of them, and of a file that does not have them.

#include "test.h"

#include <stdio.h>

#include "peer/peer-config.h"

static char dir[] = "/tmp/test-peer-config.XXXXXX";
static char path[sizeof(dir) + sizeof("/p2pshare.ini")];

static int set_up(void **state _unused_) {
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/p2pshare.ini", dir);
    return 0;
}

static int tear_down(void **state _unused_) {
    (void)remove(path);
    return remove(dir);
}

static int load(const char *text, PeerConfig *ret) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return peer_config_load(path, false, ret);
}

static void test_all_keys(void **state _unused_) {
    PeerConfig config;

    assert_int_equal(load("[ft]\nlisten = whatever ft makes of it\n"
                          "[peer]\nft = [2001:db8::1]:5000\ndialect = raw\nmax-uploads = 7\n"
                          "upload-rate = 500K\nrate-exempt = 10.0.0.0/8\n"
                          "[share]\npath = /srv/b/\npath = /srv/a\npath = /srv/b\nexclude = *.o\n",
                          &config),
                     0);
    assert_string_equal(config.ft_host, "2001:db8::1");
    assert_int_equal(config.ft_port, 5000);
    assert_int_equal(config.dialect, DIALECT_RAW);
    assert_int_equal(config.max_uploads, 7);
    assert_int_equal(config.upload_rate, 500 * 1024);
    assert_int_equal(config.rate_exempt.count, 1);
    assert_int_equal(config.excludes.count, 1);
    // In their order, and each of them once, however it is written.
    assert_int_equal(config.paths.count, 2);
    assert_string_equal(config.paths.items[0], "/srv/b");
    assert_string_equal(config.paths.items[1], "/srv/a");
    peer_config_done(&config);
}

static void test_defaults(void **state _unused_) {
    PeerConfig config;

    assert_int_equal(load("", &config), 0);
    assert_null(config.ft);
    assert_int_equal(config.dialect, DIALECT_AUTO);
    assert_int_equal(config.max_uploads, 32);
    assert_int_equal(config.paths.count, 0);
    assert_false(config.any_port);
    peer_config_done(&config);
}

static void test_refused(void **state _unused_) {
    static const char *const rows[] = {
        "[peer]\ndialect = morse\n",
        "[peer]\nmax-uploads = 0\n",
        "[share]\npath = relative\n",
    };
    PeerConfig config;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        print_message("  %s\n", rows[i]);
        assert_int_equal(load(rows[i], &config), -EINVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
