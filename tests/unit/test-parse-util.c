// SPDX-License-Identifier: MIT

#include "test.h"
#include "util/parse-util.h"

static const struct Row {
    const char *proves, *text;
    int result;
    uint64_t value;
} rows[] = {
    {"zero", "0", 0, 0},
    {"leading zeros are decimal", "010", 0, 10},
    {"the largest", "18446744073709551615", 0, UINT64_MAX},
    {"one more overflows in the sum", "18446744073709551616", -ERANGE, 0},
    {"ten times more overflows in the product", "184467440737095516150", -ERANGE, 0},
    {"nothing", "", -EINVAL, 0},
    {"no sign", "+1", -EINVAL, 0},
    {"no minus", "-1", -EINVAL, 0},
    {"no space before", " 1", -EINVAL, 0},
    {"no space behind", "1 ", -EINVAL, 0},
    {"no base prefix", "0x10", -EINVAL, 0},
    {"nothing behind", "12a", -EINVAL, 0},
};

static void test_parse_u64(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        uint64_t value = 77;

        ROW(&rows[i]);
        assert_int_equal(parse_u64(rows[i].text, &value), rows[i].result);
        assert_int_equal(value, rows[i].result < 0 ? 77 : rows[i].value);
    }
}

static void test_parse_u64_n(void **state _unused_) {
    uint64_t value = 77;

    assert_int_equal(parse_u64_n("1234", 2, &value), 0);
    assert_int_equal(value, 12); // what follows does not matter
    assert_int_equal(parse_u64_n("1\0002", 3, &value), -EINVAL);
}

static void test_parse_u64_range(void **state _unused_) {
    uint64_t value = 77;

    assert_int_equal(parse_u64_range("1", 1, 65535, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(parse_u64_range("65535", 1, 65535, &value), 0);
    assert_int_equal(value, 65535);
    assert_int_equal(parse_u64_range("0", 1, 65535, &value), -ERANGE);
    assert_int_equal(parse_u64_range("65536", 1, 65535, &value), -ERANGE);
    assert_int_equal(parse_u64_range("x", 1, 65535, &value), -EINVAL);
    assert_int_equal(value, 65535);
}

static void test_parse_size(void **state _unused_) {
    static const struct {
        const char *text;
        int r;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"1023", 0, 1023},
        {"10M", 0, UINT64_C(10) << 20},
        {"4g", 0, UINT64_C(4) << 30},
        {"1k", 0, 1024},
        {"2T", 0, UINT64_C(2) << 40},
        {"16777215T", 0, UINT64_C(16777215) << 40},
        {"16777216T", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"M", -EINVAL, 0},
        {"1MB", -EINVAL, 0},
        {"1.5M", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"1X", -EINVAL, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        uint64_t value = 0;

        assert_int_equal(parse_size(cases[i].text, &value), cases[i].r);
        assert_int_equal(value, cases[i].value);
    }
}

static void test_format_u64(void **state _unused_) {
    static const struct {
        uint64_t value;
        size_t width;
        const char *text;
    } numbers[] = {
        {0, 1, "0"},
        {0, 0, ""},
        {7, 2, "07"},
        {123, 2, "123"},
        {9, 1, "9"},
        {10, 1, "10"},
        {42, 4, "0042"},
        {UINT64_MAX, 1, "18446744073709551615"},
        {1, 20, "00000000000000000001"},
    };

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        char text[21] = {};

        assert_int_equal(format_u64(text, numbers[i].value, numbers[i].width),
                         strlen(numbers[i].text));
        assert_string_equal(text, numbers[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_u64),       cmocka_unit_test(test_parse_u64_n),
        cmocka_unit_test(test_parse_u64_range), cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_format_u64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
