// SPDX-License-Identifier: MIT

#include "util/user-dirs.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

static void test_lines(void **state _unused_) {
    static const struct {
        const char *line, *expected; // NULL: the user wants none
        int result;
    } rows[] = {
        {"XDG_DOWNLOAD_DIR=\"$HOME/Downloads\"\n", "/home/ann/Downloads", 1},
        {"  XDG_DOWNLOAD_DIR=\"$HOME/Herunter geladen/\"\n", "/home/ann/Herunter geladen", 1},
        {"XDG_DOWNLOAD_DIR=\"/srv/in\"", "/srv/in", 1},
        {"XDG_DOWNLOAD_DIR=\"$HOME/a\\\"b\\\\c\\$d\"\n", "/home/ann/a\"b\\c$d", 1},
        {"XDG_DOWNLOAD_DIR=\"$HOME/\"\n", NULL, 1},
        {"XDG_DOWNLOAD_DIR=\"$HOME\"\n", NULL, 1},
        {"XDG_DOWNLOAD_DIR=\"/home/ann/\"\n", NULL, 1},
        {"XDG_DOWNLOAD_DIR=\"/\"\n", NULL, 1},
        {"XDG_DOWNLOAD_DIR=\"\"\n", NULL, 0},
        {"XDG_DOWNLOAD_DIR=\"relative\"\n", NULL, 0},
        {"XDG_DOWNLOAD_DIR=\"$HOMER/x\"\n", NULL, 0},
        {"XDG_DOWNLOAD_DIR=\"$HOME/not closed\n", NULL, 0},
        {"XDG_DOWNLOAD_DIR=\"/ends in\\", NULL, 0},
        {"XDG_DOWNLOAD_DIR=\"/\xff\"\n", NULL, 0},
        {"XDG_DOWNLOAD_DIR=$HOME/Downloads\n", NULL, 0},
        {"XDG_DOWNLOADS_DIR=\"$HOME/Downloads\"\n", NULL, 0},
        {"XDG_PUBLICSHARE_DIR=\"$HOME/Public\"\n", NULL, 0},
        {"# XDG_DOWNLOAD_DIR=\"$HOME/Downloads\"\n", NULL, 0},
        {"", NULL, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char *found = NULL;

        print_message("  %s", rows[i].line);
        assert_int_equal(user_dir_parse(rows[i].line, "DOWNLOAD", "/home/ann", &found),
                         rows[i].result);
        if (rows[i].expected)
            assert_string_equal(found, rows[i].expected);
        else
            assert_null(found);
        free(found);
    }
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_file(void **state _unused_) {
    char directory[] = "/tmp/p2pshare-dirs-XXXXXX", path[64], *found = NULL;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/user-dirs.dirs", directory);
    setenv("HOME", "/home/ann", 1);
    setenv("XDG_CONFIG_HOME", directory, 1);

    // Without a file, the defaults apply.
    assert_int_equal(user_dir("PUBLICSHARE", "Public", &found), 0);
    assert_string_equal(found, "/home/ann/Public");
    free(found);

    write_file(path, "# made by xdg-user-dirs-update\nXDG_PUBLICSHARE_DIR=\"$HOME/Old\"\n"
                     "XDG_DOWNLOAD_DIR=\"$HOME/\"\nXDG_PUBLICSHARE_DIR=\"$HOME/New\"\n");
    assert_int_equal(user_dir("PUBLICSHARE", "Public", &found), 0);
    assert_string_equal(found, "/home/ann/New");
    free(found);
    assert_int_equal(user_dir("DOWNLOAD", "Downloads", &found), 0);
    assert_null(found);
    assert_int_equal(user_dir("MUSIC", "Music", &found), 0);
    assert_string_equal(found, "/home/ann/Music");
    free(found);
    unlink(path);
    rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
