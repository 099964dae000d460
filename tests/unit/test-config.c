// SPDX-License-Identifier: MIT

#include "config/config.h"
#include "test.h"

static void test_rate(void **state _unused_) {
    static const struct {
        const char *text;
        uint64_t rate;
    } rows[] = {
        {"0", 0},
        {"0G", 0},
        {"1500", 1500},
        {"500K", UINT64_C(500) << 10},
        {"10M", UINT64_C(10) << 20},
        {"2G", UINT64_C(2) << 30},
        {"9223372036854775807", INT64_MAX},
        {"8589934591G", UINT64_C(8589934591) << 30},
    };
    static const struct {
        const char *text;
        int error;
    } bad[] = {
        {"", -EINVAL},
        {"K", -EINVAL},
        {"10k", -EINVAL},
        {"10KB", -EINVAL},
        {"10 M", -EINVAL},
        {"1.5M", -EINVAL},
        {"-1", -EINVAL},
        {"10T", -EINVAL},
        {"M10", -EINVAL},
        {"8589934592G", -ERANGE},
        {"9223372036854775808", -ERANGE},
    };
    uint64_t rate;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        print_message("  %s\n", rows[i].text);
        assert_int_equal(config_parse_rate(NULL, rows[i].text, &rate), 0);
        assert_int_equal(rate, rows[i].rate);
    }
    rate = 7;
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        print_message("  %s\n", bad[i].text);
        assert_int_equal(config_parse_rate(NULL, bad[i].text, &rate), bad[i].error);
        assert_int_equal(rate, 7);
    }
}

static void test_prefixes(void **state _unused_) {
    PrefixList list = {};

    assert_int_equal(config_parse_prefixes(NULL, "10.0.0.0/8", &list), 0);
    assert_int_equal(config_parse_prefixes(NULL, "fd00::/8", &list), 0);
    assert_int_equal(config_parse_prefixes(NULL, "10.0.0.0/99", &list), -EINVAL);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[1].bits, 8);
    prefix_list_clear(&list);
    assert_int_equal(list.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
