// SPDX-License-Identifier: MIT

#include "proto/date.h"
#include "test.h"

static const struct ParseRow {
    const char *proves, *text;
    Date date;
    bool long_year, dashed;
    int result;
} parse_rows[] = {
    {"two digits of a year", "23/11/26", {2026, 11, 23}, false, false, 0},
    {"four digits of a year", "23/11/1999", {1999, 11, 23}, true, false, 0},
    {"dashes", "23-11-26", {2026, 11, 23}, false, true, 0},
    {"no leading zeros", "3/1/26", {2026, 1, 3}, false, false, 0},
    {"a leap day", "29/02/24", {2024, 2, 29}, false, false, 0},
    {"2000 was a leap year", "29/02/2000", {2000, 2, 29}, true, false, 0},
    {"1900 was none", "29/02/1900", {}, false, false, -EINVAL},
    {"31 April", "31/04/26", {}, false, false, -EINVAL},
    {"month first", "11/23/26", {}, false, false, -EINVAL},
    {"year first", "2026/11/23", {}, false, false, -EINVAL},
    {"one digit of a year", "23/11/6", {}, false, false, -EINVAL},
    {"five digits of a year", "23/11/02026", {}, false, false, -EINVAL},
    {"dots", "23.11.26", {}, false, false, -EINVAL},
    {"two kinds of separator", "23/11-26", {}, false, false, -EINVAL},
    {"two parts", "23/11", {}, false, false, -EINVAL},
    {"four parts", "23/11/26/1", {}, false, false, -EINVAL},
    {"an empty part", "23//26", {}, false, false, -EINVAL},
    {"a space", "23/11/26 ", {}, false, false, -EINVAL},
    {"nothing", "", {}, false, false, -EINVAL},
};

static void test_parse(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(parse_rows); i++) {
        const struct ParseRow *row = &parse_rows[i];
        bool long_year = false, dashed = false;
        Date date = {};

        ROW(row);
        assert_int_equal(date_parse(row->text, strlen(row->text), &date, &long_year, &dashed),
                         row->result);
        assert_int_equal(date.year, row->date.year);
        assert_int_equal(date.month, row->date.month);
        assert_int_equal(date.day, row->date.day);
        assert_int_equal(long_year, row->long_year);
        assert_int_equal(dashed, row->dashed);
    }
}

static const struct TimeRow {
    const char *proves;
    int64_t seconds;
    Date date;
} time_rows[] = {
    {"in UTC, the last second of a day", 1583452799, {2020, 3, 5}},
    {"and the first of the next", 1583452800, {2020, 3, 6}},
    {"1970 cannot be written with two digits", 0, {2000, 1, 1}},
    {"before 1970", -1, {2000, 1, 1}},
    {"the last day of 2099", 4102444799, {2099, 12, 31}},
    {"2100 cannot be written either", 4102444800, {2099, 12, 31}},
};

static void test_from_time(void **state _unused_) {
    setenv("TZ", "Pacific/Kiritimati", 1); // 14 hours ahead of UTC; must not matter
    for (size_t i = 0; i < ELEMENTSOF(time_rows); i++) {
        const struct TimeRow *row = &time_rows[i];
        Date date = date_from_time(row->seconds);

        ROW(row);
        assert_int_equal(date.year, row->date.year);
        assert_int_equal(date.month, row->date.month);
        assert_int_equal(date.day, row->date.day);
    }
}

static void test_put(void **state _unused_) {
    const Date date = {2026, 3, 1};
    char text[DATE_BYTES_MAX + 1] = "";

    *date_put(text, date, false, false) = '\0';
    assert_string_equal(text, "01/03/26");
    *date_put(text, date, true, true) = '\0';
    assert_string_equal(text, "01-03-2026");
}

static void test_later(void **state _unused_) {
    const Date days[] = {{2025, 12, 31}, {2026, 1, 1}, {2026, 1, 31}, {2026, 2, 1}};

    for (size_t i = 0; i < ELEMENTSOF(days); i++)
        for (size_t k = 0; k < ELEMENTSOF(days); k++)
            assert_int_equal(date_is_later(&days[i], &days[k]), i > k);
}

static void test_shape(void **state _unused_) {
    assert_true(date_has_shape("99/99/99", 8));
    assert_true(date_has_shape("2026-11-23", 10));
    assert_false(date_has_shape("23/11-26", 8));
    assert_false(date_has_shape("3000", 4));
}

static void test_http(void **state _unused_) {
    char date[DATE_HTTP_BYTES + 1];

    date_format_http(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT"); // the example of RFC 9110
    date_format_http(951782400, date);
    assert_string_equal(date, "Tue, 29 Feb 2000 00:00:00 GMT");
    date_format_http(-1, date);
    assert_string_equal(date, "Wed, 31 Dec 1969 23:59:59 GMT");
    date_format_http((time_t)INT64_MAX, date);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_from_time), cmocka_unit_test(test_put),
        cmocka_unit_test(test_later), cmocka_unit_test(test_shape),     cmocka_unit_test(test_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
