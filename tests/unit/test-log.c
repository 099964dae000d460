// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "test.h"
#include "util/log.h"

// Captures what a call writes to stderr.
static void capture_message(int level, const char *text, char *out, size_t size) {
    int fds[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    log_message(level, "%s", text);
    dup2(saved, STDERR_FILENO);
    n = read(fds[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    close(fds[1]);
    close(saved);
}

static void test_level(void **state _unused_) {
    char line[4096];

    unsetenv("JOURNAL_STREAM");
    log_open("prog");
    capture_message(LOG_INFO, "shown", line, sizeof(line));
    assert_string_equal(line, "prog: shown\n");
    capture_message(LOG_DEBUG, "not shown", line, sizeof(line));
    assert_string_equal(line, "");
    log_set_max_level(LOG_DEBUG);
    capture_message(LOG_DEBUG, "now it is", line, sizeof(line));
    assert_string_equal(line, "prog: now it is\n");
    log_set_max_level(LOG_INFO);
}

// systemd started the service, but stderr was redirected since. The redirection counts.
static void test_foreign_journal_stream(void **state _unused_) {
    char line[4096], stream[64];
    struct stat st;

    // The device is right, the inode is wrong.
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("prog");
    capture_message(LOG_INFO, "shown", line, sizeof(line));
    assert_string_equal(line, "prog: shown\n");
    unsetenv("JOURNAL_STREAM");
    log_open("prog");
}

static void test_long_line_is_cut(void **state _unused_) {
    char text[4000], line[4096];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    capture_message(LOG_INFO, text, line, sizeof(line));
    assert_true(strlen(line) < 2200);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void test_keep_errors(void **state _unused_) {
    char *kept = NULL, line[4096];

    log_keep_errors(&kept);
    capture_message(LOG_WARNING, "no error", line, sizeof(line));
    assert_null(kept);
    capture_message(LOG_ERR, "one", line, sizeof(line));
    assert_string_equal(line, "prog: one\n"); // and it is logged as usual
    capture_message(LOG_ERR, "two", line, sizeof(line));
    for (int i = 0; i < 1000; i++)
        capture_message(LOG_ERR, "one of many", line, sizeof(line));
    log_keep_errors(NULL);
    capture_message(LOG_ERR, "three", line, sizeof(line));
    assert_memory_equal(kept, "one\ntwo\none of many\n", 20);
    assert_in_range(strlen(kept), 4000, 4096);
    assert_null(strstr(kept, "three"));
    free(kept);
}

static void test_limit(void **state _unused_) {
    LogLimit limit = {};
    uint64_t suppressed = 99;

    for (int i = 0; i < 10; i++) {
        assert_true(log_limit_pass(&limit, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 3; i++)
        assert_false(log_limit_pass(&limit, &suppressed));

    // Half a minute later, the next message passes and says how many were suppressed.
    limit.interval_begin -= 30 * USEC_PER_SEC;
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 3);
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 0);
}

// If no message follows, the caller asks: it learns the number once, and not before the interval is
// over.
static void test_limit_take(void **state _unused_) {
    LogLimit limit = {};
    uint64_t suppressed = 0;

    assert_int_equal(log_limit_take(&limit), 0);
    for (int i = 0; i < 13; i++)
        (void)log_limit_pass(&limit, &suppressed);
    assert_int_equal(log_limit_take(&limit), 0);
    limit.interval_begin -= LOG_LIMIT_SEC * USEC_PER_SEC;
    assert_int_equal(log_limit_take(&limit), 3);
    assert_int_equal(log_limit_take(&limit), 0);
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 0);
}

// A message that passes says how many were suppressed.
static void test_limited_message(void **state _unused_) {
    LogLimit limit = {};
    char line[4096] = "";
    int fds[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    for (int i = 0; i < 13; i++)
        log_limited(&limit, LOG_INFO, &(LogFields){}, "number %d", i);
    log_limited(&limit, LOG_DEBUG, &(LogFields){}, "not even counted");
    limit.interval_begin -= 30 * USEC_PER_SEC;
    log_limited(&limit, LOG_INFO, &(LogFields){}, "later");
    dup2(saved, STDERR_FILENO);
    n = read(fds[0], line, sizeof(line) - 1);
    assert_true(n > 0);
    assert_non_null(strstr(line, "prog: number 9\n"));
    assert_null(strstr(line, "number 10"));
    assert_non_null(strstr(line, "prog: later (3 similar ones before it were not logged)\n"));
    close(fds[0]);
    close(fds[1]);
    close(saved);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_foreign_journal_stream),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_keep_errors),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_take),
        cmocka_unit_test(test_limited_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
