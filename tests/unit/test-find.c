// SPDX-License-Identifier: MIT

#include "test.h"

#include "proto/find.h"

static Message parse(const char *text) {
    return message_parse(text, strlen(text));
}

static void assert_refused(const char *text) {
    const Message message = parse(text);
    FindRequest request;

    assert_int_equal(message.kind, MESSAGE_FIND);
    assert_int_equal(find_parse(&message, &request), -EBADMSG);
}

static void test_request(void **state _unused_) {
    Message message = parse("FIND: 50, iso, 10, 4294967296, ubuntu, server  iso\n");
    Buffer out = {};
    FindRequest request;

    assert_int_equal(find_parse(&message, &request), 0);
    assert_int_equal(request.limit, 50);
    assert_string_equal(request.type, "iso");
    assert_int_equal(request.min_size, 10);
    assert_int_equal(request.max_size, UINT64_C(1) << 32);
    assert_string_equal(request.text, "ubuntu, server  iso");
    assert_int_equal(find_put(&out, &request), 0);
    assert_memory_equal(buffer_data(&out), "FIND: 50, iso, 10, 4294967296, ubuntu, server  iso\n",
                        out.size);
    buffer_clear(&out);

    message = parse("FIND: 1,,0,,%41%zz");
    assert_int_equal(find_parse(&message, &request), 0);
    assert_string_equal(request.type, "");
    assert_int_equal(request.max_size, SIZE_BYTES_MAX);
    assert_string_equal(request.text, "A%zz");
    assert_int_equal(find_put(&out, &request), 0);
    assert_memory_equal(buffer_data(&out), "FIND: 1, , 0, , A%zz\n", out.size);
    buffer_clear(&out);
}

static void test_bad_request(void **state _unused_) {
    char text[FIND_TEXT_MAX + 32] = "FIND: 1, , 0, , ";

    assert_refused("FIND:");
    assert_refused("FIND: words");
    assert_refused("FIND: 1, , 0, ,");
    assert_refused("FIND: 1, , 0, ,   ");
    assert_refused("FIND: 1, , 0, , %20");
    assert_refused("FIND: 0, , 0, , a");
    assert_refused("FIND: 501, , 0, , a");
    assert_refused("FIND: -1, , 0, , a");
    assert_refused("FIND: 1, a/b, 0, , a");
    assert_refused("FIND: 1, , , , a");
    assert_refused("FIND: 1, , 9223372036854775808, , a");
    assert_refused("FIND: 1, , 0, x, a");
    assert_refused("FIND: 1, , 0, , a%00");
    assert_refused("FIND: 1, , 0, , a%0Ab");
    assert_refused("FIND: 1, , 0, , \xff");
    memset(text + strlen(text), 'x', FIND_TEXT_MAX + 1);
    assert_refused(text);
}

static void test_answer(void **state _unused_) {
    const FindSummary summary = {.total = 1234, .at_least = true, .peers = 7};
    const FoundFile files[] = {
        {.name = "a, <b>; c|d",
         .type = "iso",
         .size = 5,
         .modified = {.year = 2026, .month = 9, .day = 6},
         .sources = 7,
         .has_root = true,
         .root.bytes = {0x9f, 0x2c}},
        {.name = "été", .type = "file", .modified = {.year = 99, .month = 1, .day = 31}},
    };
    FoundFiles found;
    Buffer out = {};
    Message message;

    assert_int_equal(matches_put(&out, &summary, files, ELEMENTSOF(files)), 0);
    message = message_parse(buffer_data(&out), out.size);
    assert_int_equal(message.kind, MESSAGE_MATCHES);
    assert_int_equal(matches_parse(&message, &found), 0);
    assert_int_equal(found.summary.total, 1234);
    assert_true(found.summary.at_least);
    assert_int_equal(found.summary.peers, 7);
    assert_int_equal(found.n, 2);
    for (size_t i = 0; i < found.n; i++) {
        const FoundFile *file = &found.entries[i].file;

        assert_string_equal(file->name, files[i].name);
        assert_string_equal(file->type, files[i].type);
        assert_int_equal(file->size, files[i].size);
        assert_memory_equal(&file->modified, &files[i].modified, sizeof(Date));
        assert_int_equal(file->sources, files[i].sources);
        assert_int_equal(file->has_root, files[i].has_root);
        assert_memory_equal(&file->root, &files[i].root, sizeof(MerkleHash));
    }
    found_files_clear(&found);
    buffer_clear(&out);
}

static void test_bad_answer(void **state _unused_) {
    Message message = parse("MATCHES: 3, exactly, 1 <a, b, 1, 01/02/2026, 1> <> <a> <a, b, 1, 1> "
                            "<a/b, c, 1, 01/02/2026, 1> <a, b, 1, 01/13/2026, 1> <a, b, 1, ");
    FoundFiles found;

    assert_int_equal(matches_parse(&message, &found), 0);
    assert_int_equal(found.n, 1); // what is not a file is skipped
    found_files_clear(&found);
    message = parse("MATCHES: 0, exactly, 0");
    assert_int_equal(matches_parse(&message, &found), 0);
    assert_int_equal(found.n, 0);
    found_files_clear(&found);
    message = parse("MATCHES: 1, perhaps, 1");
    assert_int_equal(matches_parse(&message, &found), -EBADMSG);
    message = parse("MATCHES:");
    assert_int_equal(matches_parse(&message, &found), -EBADMSG);
}

// With the longest possible files, the answer has as many as fit and does not exceed the limit of a
// message.
static void test_full_answer(void **state _unused_) {
    static FoundFile files[FIND_RESULTS_MAX];
    const FindSummary summary = {.total = UINT64_MAX, .peers = UINT32_MAX};
    char name[NAME_BYTES_MAX + 1], type[TYPE_BYTES_MAX + 1];
    FoundFiles found;
    Buffer out = {};
    Message message;

    memset(name, '<', NAME_BYTES_MAX);
    memset(type, 't', TYPE_BYTES_MAX);
    name[NAME_BYTES_MAX] = type[TYPE_BYTES_MAX] = '\0';
    for (size_t i = 0; i < ELEMENTSOF(files); i++)
        files[i] = (FoundFile){.name = name,
                               .type = type,
                               .size = SIZE_BYTES_MAX,
                               .modified = {.year = 9999, .month = 12, .day = 31},
                               .sources = UINT32_MAX,
                               .has_root = true};
    assert_int_equal(matches_put(&out, &summary, files, ELEMENTSOF(files)), 0);
    assert_in_range(out.size, MATCHES_BYTES_FULL, ANSWER_BYTES_MAX);
    message = message_parse(buffer_data(&out), out.size);
    assert_int_equal(matches_parse(&message, &found), 0);
    assert_true(found.n > 50);
    found_files_clear(&found);
    buffer_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),     cmocka_unit_test(test_bad_request),
        cmocka_unit_test(test_answer),      cmocka_unit_test(test_bad_answer),
        cmocka_unit_test(test_full_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
