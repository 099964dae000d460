// SPDX-License-Identifier: MIT

#include "test.h"

#include "peer/downloads/download-choice.h"
#include "util/macro.h"

// A record of the file "f" at 192.0.2.`host`; root 0: it has none.
static Record record(const char *type, uint64_t size, uint8_t host, uint8_t root) {
    Record r = {.name = "f", .type = type, .size = size, .has_root = root > 0};

    r.root.bytes[0] = root;
    r.endpoint = (Endpoint){.address.family = AF_INET, .port = 5556};
    r.endpoint.address.v4.s_addr = htonl(0xc0000200 + host);
    return r;
}

static DownloadChoice choose(const Record records[], size_t n, DownloadFilter filter) {
    DownloadChoice choice;

    download_choose(records, n, &filter, NULL, &choice);
    return choice;
}

static void test_none(void **state _unused_) {
    const Record records[] = {record("bin", 1, 1, 0)};

    assert_int_equal(choose(NULL, 0, (DownloadFilter){}).file_count, 0);
    assert_int_equal(
        choose(records, 1, (DownloadFilter){.has_type = true, .type = "txt"}).file_count, 0);
    assert_int_equal(choose(records, 1, (DownloadFilter){.has_root = true}).file_count, 0);
}

static void test_why_none(void **state _unused_) {
    const Record records[] = {record("bin", 1, 1, 0)};
    const DownloadFilter no_such_type = {.has_type = true, .type = "txt"};
    char message[DOWNLOAD_EXPLANATION_MAX];

    download_choice_explain_none(NULL, 0, &(DownloadFilter){}, "f.bin", message);
    assert_string_equal(message, "nobody shares \"f.bin\"");
    download_choice_explain_none(records, 1, &(DownloadFilter){}, "f.bin", message);
    assert_string_equal(message, "only this peer shares \"f.bin\"");
    download_choice_explain_none(records, 1, &no_such_type, "f.bin", message);
    assert_string_equal(message,
                        "nobody shares \"f.bin\" with that type, size, address, port or root");
}

static void test_one_file(void **state _unused_) {
    const Record records[] = {record("bin", 9, 1, 7), record("BIN", 9, 2, 7),
                              record("bin", 9, 1, 7)};
    DownloadChoice choice = choose(records, ELEMENTSOF(records), (DownloadFilter){});

    assert_int_equal(choice.file_count, 1);
    assert_true(choice.has_root);
    assert_int_equal(choice.root.bytes[0], 7);
    assert_int_equal(choice.size, 9);
    assert_int_equal(choice.source_count, 2); // each once
}

static void test_roots_decide(void **state _unused_) {
    // The first has no root: nothing says that it is the same file, whatever its size.
    const Record records[] = {record("bin", 9, 1, 0), record("bin", 9, 2, 7),
                              record("bin", 9, 3, 7), record("bin", 9, 4, 8)};
    DownloadChoice choice = choose(records, ELEMENTSOF(records), (DownloadFilter){});

    assert_int_equal(choice.file_count, 2);
    choice = choose(records, 3, (DownloadFilter){});
    assert_int_equal(choice.file_count, 1);
    assert_int_equal(choice.source_count, 2);
    choice = choose(records, ELEMENTSOF(records),
                    (DownloadFilter){.has_root = true, .root = records[3].root});
    assert_int_equal(choice.file_count, 1);
    assert_int_equal(choice.source_count, 1);
    choice = choose(records, ELEMENTSOF(records),
                    (DownloadFilter){.has_address = true, .address = records[0].endpoint.address});
    assert_int_equal(choice.file_count, 1);
    assert_false(choice.has_root);
}

static void test_without_roots(void **state _unused_) {
    const Record records[] = {record("bin", 9, 1, 0), record("bin", 8, 2, 0),
                              record("txt", 9, 3, 0), record("bin", 9, 4, 0)};
    DownloadChoice choice = choose(records, ELEMENTSOF(records), (DownloadFilter){});

    assert_int_equal(choice.file_count, 3);
    choice = choose(records, ELEMENTSOF(records),
                    (DownloadFilter){.has_size = true, .size = 9, .has_type = true, .type = "BIN"});
    assert_int_equal(choice.file_count, 1);
    assert_int_equal(choice.source_count, 2);
}

static void test_lying_size(void **state _unused_) {
    const Record records[] = {record("bin", 1, 1, 7), record("bin", 9, 2, 7),
                              record("bin", 9, 3, 7)};
    DownloadChoice choice = choose(records, ELEMENTSOF(records), (DownloadFilter){});

    assert_int_equal(choice.file_count, 1);
    assert_int_equal(choice.size, 9);
    assert_int_equal(choice.source_count, 2);
}

static void test_self(void **state _unused_) {
    const Record records[] = {record("bin", 1, 1, 7), record("bin", 1, 2, 7)};
    const DownloadFilter filter = {};
    DownloadChoice choice;

    download_choose(records, 1, &filter, &records[0].endpoint, &choice);
    assert_int_equal(choice.file_count, 0);
    download_choose(records, 2, &filter, &records[0].endpoint, &choice);
    assert_int_equal(choice.source_count, 1);
    assert_true(endpoint_equal(&choice.sources[0], &records[1].endpoint));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),          cmocka_unit_test(test_why_none),
        cmocka_unit_test(test_one_file),      cmocka_unit_test(test_roots_decide),
        cmocka_unit_test(test_without_roots), cmocka_unit_test(test_lying_size),
        cmocka_unit_test(test_self),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
