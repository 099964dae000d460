// SPDX-License-Identifier: MIT

// The progress line of a download, at every width.

#include <stdlib.h>

#include "test.h"

#include "ctl/progress.h"
#include "util/text.h"

static const ProgressView half = {
    .name = "debian.iso",
    .size = UINT64_C(4) << 30,
    .transferred = UINT64_C(2) << 30,
    .rate = 412e6,
    .sources = 7,
};

static void test_plain(void **state _unused_) {
    const ProgressView searching = {.name = "a\033b", .note = "searching"};
    _cleanup_free_ char *line = progress_plain_line(&half), *note = progress_plain_line(&searching);

    assert_string_equal(line, "debian.iso: 50%, 2.0/4.0 GiB, 412 MB/s, 6 s left, 7 sources");
    assert_string_equal(note, "a\\x1bb: searching");
}

static void test_bar(void **state _unused_) {
    _cleanup_free_ char *line = progress_bar_line(&half, 78, true, false);
    _cleanup_free_ char *ascii = progress_bar_line(&half, 78, false, false);
    _cleanup_free_ char *narrow = progress_bar_line(&half, 58, true, false);

    assert_string_equal(
        line, "debian.iso  ━━━━━━━╸───────   50%  2.0/4.0 GiB   412 MB/s       6 s  7 sources");
    assert_string_equal(
        ascii, "debian.iso  #######--------   50%  2.0/4.0 GiB   412 MB/s       6 s  7 sources");
    assert_string_equal(narrow, "debian.iso   50%  2.0/4.0 GiB   412 MB/s       6 s");
}

// The reason why nothing moves replaces the rate, but not the progress.
static void test_notes(void **state _unused_) {
    ProgressView paused = half, waiting = {.name = "debian.iso"}, checking = half;
    _cleanup_free_ char *paused_line = NULL, *narrow = NULL, *waiting_line = NULL, *plain = NULL;

    strcpy(paused.note, "paused");
    strcpy(waiting.note, "waiting, place 3 in the queue");
    strcpy(checking.note, "checking");
    paused_line = progress_bar_line(&paused, 60, true, false);
    narrow = progress_bar_line(&paused, 20, true, false);
    waiting_line = progress_bar_line(&waiting, 60, true, false);
    plain = progress_plain_line(&checking);
    assert_string_equal(paused_line,
                        "debian.iso  ━━━━━━━━━━╸──────────   50%  2.0/4.0 GiB  paused");
    assert_string_equal(narrow, "debian.iso  paused");
    assert_string_equal(waiting_line, "debian.iso  waiting, place 3 in the queue");
    assert_string_equal(plain, "debian.iso: 50%, 2.0/4.0 GiB, checking");
}

// The names line up, lines of finished downloads are cleared, and lines without room are counted.
static void test_block(void **state _unused_) {
    Progress terminal = {.terminal = true, .utf8 = true};
    ProgressView views[] = {
        {.name = "a", .note = "searching"},
        {.name = "日本", .note = "connecting"},
        {.name = "c", .note = "searching"},
        {.name = "d", .note = "searching"},
    };
    _cleanup_free_ char *first = progress_block(views, 4, 60, 9, &terminal, &terminal.drawn);
    _cleanup_free_ char *second = NULL, *third = NULL;

    assert_int_equal(terminal.drawn, 4);
    assert_string_equal(first, "\ra     searching\033[K\n日本  connecting\033[K\n"
                               "c     searching\033[K\nd     searching\033[K");
    second = progress_block(views, 1, 60, 9, &terminal, &terminal.drawn);
    assert_int_equal(terminal.drawn, 1);
    assert_string_equal(second, "\r\033[3Aa  searching\033[K\033[J");
    third = progress_block(views, 4, 60, 4, &terminal, &terminal.drawn);
    assert_int_equal(terminal.drawn, 3);
    assert_string_equal(third, "\ra     searching\033[K\n日本  connecting\033[K\nand 2 more\033[K");
}

static void test_never_wider(void **state _unused_) {
    const ProgressView views[] = {
        half,
        {.name = "", .note = "searching"},
        {.name = "日本語日本語日本語日本語日本語日本語", .size = 1, .transferred = 2, .sources = 1},
        {.name = "b", .note = "paused", .size = 4, .transferred = 1, .name_width = 40},
        {.name = TEXT_255, .size = UINT64_MAX, .transferred = UINT64_MAX - 1, .rate = 0.001},
    };

    for (size_t i = 0; i < ELEMENTSOF(views); i++)
        for (size_t width = 1; width < 500; width++) {
            _cleanup_free_ char *line = progress_bar_line(&views[i], width, true, false);
            _cleanup_free_ char *coloured = progress_bar_line(&views[i], width, true, true);

            assert_non_null(line);
            assert_non_null(coloured);
            assert_in_range(text_width(line), 0, width);
        }
}

static void test_rate(void **state _unused_) {
    ProgressRate progress = {};

    assert_true(progress_sample(&progress, 1000000, 0) == 0);
    assert_true(progress_sample(&progress, 2000000, 1000) == 1000);
    // Between two reports of the daemon, nothing is known to have changed.
    assert_true(progress_sample(&progress, 2400000, 1000) == 1000);
    // Only the last samples count.
    for (unsigned i = 3; i < 40; i++)
        assert_true(progress_sample(&progress, i * UINT64_C(1000000), 1000) <= 1000);
    assert_true(progress_sample(&progress, UINT64_C(40000000), 1000) == 0);
    // The next source starts at byte 0.
    assert_true(progress_sample(&progress, UINT64_C(41000000), 0) == 0);
    assert_true(progress_sample(&progress, UINT64_C(42000000), 500) == 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_bar),
        cmocka_unit_test(test_notes),       cmocka_unit_test(test_block),
        cmocka_unit_test(test_never_wider), cmocka_unit_test(test_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
