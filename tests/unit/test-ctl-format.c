// SPDX-License-Identifier: MIT

// Numbers as people read them.

#include <stdlib.h>
#include <time.h>

#include "test.h"

#include "ctl/format.h"

static void test_size(void **state _unused_) {
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {11, "11 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {UINT64_C(1024) * 1024 - 1, "1.0 MiB"}, // not "1024.0 KiB"
        {UINT64_C(4) << 30, "4.0 GiB"},
        {UINT64_C(87187046400), "81.2 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char text[FORMAT_MAX];

        format_size(rows[i].bytes, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_size_of(void **state _unused_) {
    char text[FORMAT_MAX];

    format_size_of(UINT64_C(23) << 30, UINT64_C(40) << 30, text);
    assert_string_equal(text, "23.0/40.0 GiB");
    format_size_of(5, 11, text);
    assert_string_equal(text, "5/11 B");
    format_size_of(1024, UINT64_C(1) << 30, text);
    assert_string_equal(text, "0.0/1.0 GiB");
}

static void test_rate(void **state _unused_) {
    static const struct {
        double rate;
        const char *text;
    } rows[] = {
        {0, "0.00 MB/s"},      {254000, "0.25 MB/s"}, {999000, "1.0 MB/s"},
        {11.4e6, "11.4 MB/s"}, {99.96e6, "100 MB/s"}, {412e6, "412 MB/s"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char text[FORMAT_MAX];

        format_rate(rows[i].rate, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_duration(void **state _unused_) {
    static const struct {
        uint64_t msec;
        const char *text;
    } rows[] = {
        {3, "3 ms"},
        {100, "0.1 s"},
        {9900, "9.9 s"},
        {9960, "10 s"},
        {42000, "42 s"},
        {59600, "1 min 00 s"},
        {185000, "3 min 05 s"},
        {7500000, "2 h 05 min"},
        {273600000, "3 d 4 h"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char text[FORMAT_MAX];

        format_duration(rows[i].msec * USEC_PER_MSEC, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_time(void **state _unused_) {
    const uint64_t noon = UINT64_C(1788696720) * USEC_PER_SEC; // 2026-09-06 12:12 UTC
    char text[FORMAT_MAX];

    setenv("TZ", "UTC", 1);
    tzset();
    format_time(noon, noon + 3600 * USEC_PER_SEC, text);
    assert_string_equal(text, "12:12");
    format_time(noon, noon + 86400 * USEC_PER_SEC, text);
    assert_string_equal(text, "2026-09-06 12:12");
    format_time(0, noon, text);
    assert_string_equal(text, "?");
}

static void test_percent(void **state _unused_) {
    assert_int_equal(percent_of(0, 0), 0);
    assert_int_equal(percent_of(999, 1000), 99);
    assert_int_equal(percent_of(1000, 1000), 100);
    assert_int_equal(percent_of(UINT64_MAX - 1, UINT64_MAX), 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size), cmocka_unit_test(test_size_of),
        cmocka_unit_test(test_rate), cmocka_unit_test(test_duration),
        cmocka_unit_test(test_time), cmocka_unit_test(test_percent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
