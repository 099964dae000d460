// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

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
        {"10k", UINT64_C(10) << 10},
        {"10T", UINT64_C(10) << 40},
        {"2G", UINT64_C(2) << 30},
        {"9223372036854775807", INT64_MAX},
        {"8589934591G", UINT64_C(8589934591) << 30},
    };
    static const struct {
        const char *text;
        int error;
    } bad[] = {
        {"", -EINVAL},     {"K", -EINVAL},           {"10KB", -EINVAL},
        {"10 M", -EINVAL}, {"1.5M", -EINVAL},        {"-1", -EINVAL},
        {"M10", -EINVAL},  {"8589934592G", -ERANGE}, {"9223372036854775808", -ERANGE},
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

typedef struct Sample {
    uint64_t limit;
    StringList paths;
} Sample;

static const ConfigKey sample_keys[] = {
    {"ft", "limit", config_parse_number, offsetof(Sample, limit), 1, 100, "a number to 100"},
    {"share", "path", config_parse_list, offsetof(Sample, paths), 0, 0, "a path"},
};

static void write_file(const char *directory, const char *name, const char *text) {
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int load_sample(const char *main_file, Sample *ret) {
    int r;

    *ret = (Sample){};
    r = config_load(main_file, sample_keys, ELEMENTSOF(sample_keys), NULL, ret);
    return config_load_drop_ins(main_file, sample_keys, ELEMENTSOF(sample_keys), NULL, ret, r);
}

// Drop-ins apply in the order of their names, after the file, even if the file is missing.
static void test_drop_ins(void **state _unused_) {
    char directory[] = "/tmp/p2pshare-config-XXXXXX", file[64], beside[64], command[128];
    Sample sample;

    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/a.ini", directory);
    snprintf(beside, sizeof(beside), "%s/a.ini.d", directory);
    assert_int_equal(load_sample(file, &sample), -ENOENT);

    assert_int_equal(mkdir(beside, 0700), 0);
    write_file(beside, "2.ini", "[ft]\nlimit = 2\n[share]\npath = /2\n");
    write_file(beside, "10.ini", "[ft]\nlimit = 10\n[share]\npath = /10\n");
    write_file(beside, ".3.ini", "[ft]\nlimit = 3\n");
    write_file(beside, "4.ini~", "[ft]\nlimit = 4\n");
    assert_int_equal(load_sample(file, &sample), -ENOENT); // and the drop-ins count
    assert_int_equal(sample.limit, 2);
    assert_int_equal(sample.paths.count, 2);
    string_list_clear(&sample.paths);

    write_file(directory, "a.ini", "[ft]\nlimit = 1\n[share]\npath = /1\n");
    assert_int_equal(load_sample(file, &sample), 0);
    assert_int_equal(sample.limit, 2);
    assert_int_equal(sample.paths.count, 3);
    assert_string_equal(sample.paths.items[0], "/1");
    assert_string_equal(sample.paths.items[1], "/10");
    string_list_clear(&sample.paths);

    write_file(beside, "5.ini", "[ft]\nlimit = 500\n");
    assert_int_equal(load_sample(file, &sample), -EINVAL);
    string_list_clear(&sample.paths);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(load_sample(file, &sample), -EINVAL); // worse than a missing file
    string_list_clear(&sample.paths);

    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_drop_ins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
