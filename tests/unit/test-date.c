// SPDX-License-Identifier: MIT

#include "proto/record.h"
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
    setenv("TZ", "Pacific/Kiritimati", 1); // 14 hours ahead: must not show
    for (size_t i = 0; i < ELEMENTSOF(time_rows); i++) {
        const struct TimeRow *row = &time_rows[i];
        Date date = date_from_time(row->seconds);

        ROW(row);
        assert_int_equal(date.year, row->date.year);
        assert_int_equal(date.month, row->date.month);
        assert_int_equal(date.day, row->date.day);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_from_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
