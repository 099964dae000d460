// SPDX-License-Identifier: MIT

#include "test.h"

#include "util/macro.h"
#include "util/rate-limit.h"

static void test_no_limit(void **state _unused_) {
    RateLimit limit = {};

    assert_int_equal(rate_limit_grant(&limit, UINT64_MAX, 5), UINT64_MAX);
    assert_int_equal(rate_limit_wait(&limit), 0);
}

// Taking all that is granted at any time yields the rate and at most one burst more.
static void check_rate(uint64_t rate, uint64_t step) {
    uint64_t now = 1000 * USEC_PER_SEC, end = now + 10 * USEC_PER_SEC, moved = 0;
    RateLimit limit = {};

    rate_limit_set(&limit, rate);
    for (; now < end; now += step) {
        uint64_t granted = rate_limit_grant(&limit, 1 << 20, now);

        rate_limit_spend(&limit, granted);
        moved += granted;
    }
    assert_in_range(moved, rate * 10 * 9 / 10, rate * 10 + rate / 10);
}

static void test_rate(void **state _unused_) {
    check_rate(1000, 7);
    check_rate(1000, 50 * USEC_PER_MSEC);
    check_rate(100 * 1024, 1000);
    check_rate(10 * 1024 * 1024, 333);
}

static void test_burst(void **state _unused_) {
    RateLimit limit = {};
    uint64_t now = 77;

    rate_limit_set(&limit, 1 << 20);
    assert_int_equal(rate_limit_grant(&limit, 1 << 20, now), 0);
    assert_true(rate_limit_wait(&limit) > 0);
    now += rate_limit_wait(&limit);
    assert_true(rate_limit_grant(&limit, 1 << 20, now) > 0);
    now += 3600 * USEC_PER_SEC;
    assert_in_range(rate_limit_grant(&limit, 1 << 30, now), 1, (1 << 20) / 10);
    // The rest of a file may be small.
    assert_int_equal(rate_limit_grant(&limit, 3, now), 3);
}

static void test_extremes(void **state _unused_) {
    RateLimit limit = {};

    rate_limit_set(&limit, UINT64_MAX);
    assert_int_equal(rate_limit_grant(&limit, 1, 0),
                     0); // a new rate begins with an empty bucket
    assert_true(rate_limit_grant(&limit, 1 << 20, USEC_PER_SEC) == 1 << 20);
    rate_limit_set(&limit, 1);
    assert_int_equal(rate_limit_grant(&limit, 10, USEC_PER_SEC), 0);
    assert_int_equal(rate_limit_grant(&limit, 10, 2 * USEC_PER_SEC), 1);
    rate_limit_spend(&limit, 1);
    assert_int_equal(rate_limit_grant(&limit, 10, 2 * USEC_PER_SEC), 0);
    assert_true(rate_limit_wait(&limit) <= USEC_PER_SEC + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
