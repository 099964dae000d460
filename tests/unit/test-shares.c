// SPDX-License-Identifier: MIT

// The shares without a peer: two files of a directory, from the walk to the offer, and a walk after
// a change.

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "peer/shares/shares.h"

static char dir[] = "/tmp/test-shares.XXXXXX";

typedef struct Fixture {
    sd_event *event;
    Shares *shares;
    StringList paths, excludes;
    unsigned tables, offers, scans;
    int result;
} Fixture;

static void on_table(void *userdata) {
    Fixture *fixture = userdata;

    assert_non_null(shares_table(fixture->shares));
    fixture->tables++;
}

static void on_offer(void *userdata) {
    ((Fixture *)userdata)->offers++;
}

static void on_scanned(int result, void *userdata) {
    Fixture *fixture = userdata;

    fixture->result = result;
    fixture->scans++;
}

static void write_file(const char *name, const char *text) {
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/shared/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    static Fixture fixture;
    const SharesHooks hooks = {on_table, on_offer, on_scanned, &fixture};
    const SharesConfig config = {&fixture.paths, &fixture.excludes, 1, 0};
    char path[256];

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/shared", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(config_parse_list(NULL, path, &fixture.paths), 0);
    assert_int_equal(config_parse_list(NULL, "*.o", &fixture.excludes), 0);
    assert_true(sd_event_new(&fixture.event) >= 0);
    assert_int_equal(shares_new(fixture.event, dir, &config, &hooks, &fixture.shares), 0);
    *state = &fixture;
    return 0;
}

static int remove_one(const char *name, const struct stat *st _unused_, int flag _unused_,
                      struct FTW *ftw _unused_) {
    return remove(name);
}

static int tear_down(void **state) {
    Fixture *fixture = *state;

    shares_free(fixture->shares);
    sd_event_unref(fixture->event);
    string_list_clear(&fixture->paths);
    string_list_clear(&fixture->excludes);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// Runs the loop until that many walks are over, and all is hashed and offered.
static void run_until(Fixture *fixture, unsigned scans) {
    unsigned offers = fixture->offers;

    for (int i = 0; i < 3000; i++) {
        if (fixture->scans >= scans && fixture->offers > offers &&
            !shares_is_hashing(fixture->shares) && !shares_pending(fixture->shares))
            return;
        assert_true(sd_event_run(fixture->event, 10 * USEC_PER_MSEC) >= 0);
    }
    fail_msg("the shares are not ready after 30 s");
}

static size_t count_offered(const Shares *shares) {
    size_t position = 0, n = 0;
    Record record;

    while (shares_next_offered(shares, &position, &record)) {
        assert_true(record.has_root);
        n++;
    }
    return n;
}

static void test_first_walk(void **state) {
    Fixture *fixture = *state;

    write_file("a.txt", "a");
    write_file("b.txt", "b");
    write_file("c.o", "c");
    assert_null(shares_table(fixture->shares));
    assert_non_null(shares_pending(fixture->shares));
    assert_int_equal(shares_rescan(fixture->shares), 0);
    assert_int_equal(fixture->scans, 0); // the walk is in a thread
    run_until(fixture, 1);
    assert_int_equal(fixture->result, 0);
    assert_int_equal(fixture->tables, fixture->scans);
    assert_int_equal(count_offered(fixture->shares), 2);
    assert_string_equal(shares_watch_problem(fixture->shares), "");
}

// Calls that come while a walk is under way share the next walk, and on_scanned is called after
// that one only. (What the watch has seen may bring a walk of its own.)
static void test_again(void **state) {
    Fixture *fixture = *state;

    write_file("d.txt", "d");
    assert_int_equal(shares_rescan(fixture->shares), 0);
    assert_int_equal(shares_rescan(fixture->shares), 0);
    assert_int_equal(shares_rescan(fixture->shares), 0);
    run_until(fixture, 2);
    assert_int_equal(fixture->tables, fixture->scans + 1);
    assert_int_equal(count_offered(fixture->shares), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_walk),
        cmocka_unit_test(test_again),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
