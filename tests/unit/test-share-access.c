// SPDX-License-Identifier: MIT

#include <acl/libacl.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "share/access.h"
#include "test.h"

enum {
    OTHER_USER = 54321, // the ID of no existing user
};

static char top[] = "/tmp/p2pshare-access-XXXXXX";

static int run(const char *format, ...) _printf_(1, 2);
static int run(const char *format, ...) {
    char command[640];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command);
}

static int setup(void **state _unused_) {
    if (!mkdtemp(top))
        return -1;
    return run(
        "cd %s && mkdir -p tree/sub && echo a >tree/a && echo b >tree/sub/b && echo c >other && "
        "ln -s ../other tree/link && chmod -R go= .",
        top);
}

static int teardown(void **state _unused_) {
    return run("rm -r %s", top);
}

static const char *at(const char *name) {
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", top, name);
    return path;
}

// The list of that kind in its short form: "u::rw-,g::---,…".
static void check(const char *name, acl_type_t type, const char *expected) {
    acl_t acl = acl_get_file(at(name), type);
    char *text;

    assert_non_null(acl);
    text = acl_to_any_text(acl, NULL, ',', TEXT_ABBREVIATE | TEXT_NUMERIC_IDS);
    assert_non_null(text);
    assert_string_equal(text, expected);
    acl_free(text);
    acl_free(acl);
}

static void set(const char *name, acl_type_t type, const char *text) {
    acl_t acl = acl_from_text(text);

    assert_non_null(acl);
    assert_int_equal(acl_set_file(at(name), type, acl), 0);
    acl_free(acl);
}

static int has_list(const char *path, const struct stat *st, int kind _unused_,
                    struct FTW *where _unused_) {
    return !S_ISLNK(st->st_mode) && acl_extended_file(path) > 0;
}

// Whether any file there has more than a mode.
static bool has_some_list(const char *name) {
    return nftw(at(name), has_list, 8, FTW_PHYS) != 0;
}

// Some file systems keep no lists.
static bool has_lists(void) {
    return access_let_pass(top, OTHER_USER) == 0 && access_revoke(top, OTHER_USER) == 0;
}

static void test_pass(void **state _unused_) {
    if (!has_lists())
        skip();
    assert_int_equal(access_let_pass(at("tree"), OTHER_USER), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54321:--x,g::---,m::--x,o::---");
    check("tree/sub", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    assert_int_equal(access_let_pass(at("tree"), OTHER_USER), 0); // doing it again changes nothing
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54321:--x,g::---,m::--x,o::---");
    assert_int_equal(access_revoke(at("tree"), OTHER_USER), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    assert_int_equal(access_revoke(at("tree"), OTHER_USER), 0);
    assert_int_equal(access_let_pass(at("no"), OTHER_USER), -ENOENT);
    assert_int_equal(access_let_pass(at("tree/link"), OTHER_USER), -ELOOP);
}

static void test_tree(void **state _unused_) {
    AccessResult result;

    if (!has_lists())
        skip();
    assert_int_equal(access_let_read(at("tree"), OTHER_USER, &result), 0);
    assert_int_equal(result.changed, 4);
    assert_int_equal(result.skipped, 0);
    check("tree/sub", ACL_TYPE_ACCESS, "u::rwx,u:54321:r-x,g::---,m::r-x,o::---");
    check("tree/sub", ACL_TYPE_DEFAULT, "u::rwx,u:54321:r-x,g::---,m::r-x,o::---");
    check("tree/sub/b", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::---,m::r--,o::---");
    check("other", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    assert_int_equal(run("cd %s && umask 077 && echo new >tree/sub/new", top), 0);
    check("tree/sub/new", ACL_TYPE_ACCESS, "u::rw-,u:54321:r-x,g::---,m::r--,o::---");
    assert_int_equal(access_revoke_tree(at("tree"), OTHER_USER, &result), 0);
    assert_int_equal(result.changed, 5);
    check("tree", ACL_TYPE_DEFAULT, "");
    check("tree/sub", ACL_TYPE_DEFAULT, "");
    check("tree/sub/b", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("tree/sub/new", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
}

// Widening the mask gives nothing to the users whom it limited.
static void test_masks(void **state _unused_) {
    acl_t before = acl_from_text("u::rwx,u:54322:rwx,g::r-x,g:54323:rw-,m::---,o::---");

    if (!has_lists())
        skip();
    assert_int_equal(acl_set_file(at("tree"), ACL_TYPE_ACCESS, before), 0);
    assert_int_equal(access_let_pass(at("tree"), OTHER_USER), 0);
    check("tree", ACL_TYPE_ACCESS,
          "u::rwx,u:54321:--x,u:54322:---,g::---,g:54323:---,m::--x,o::---");
    assert_int_equal(access_revoke(at("tree"), OTHER_USER), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54322:---,g::---,g:54323:---,m::---,o::---");
    acl_free(before);
}

// A file of another user under a second name in the tree; only root can create one here.
static void test_linked(void **state _unused_) {
    AccessResult result;

    if (geteuid() != 0 || !has_lists())
        skip();
    assert_int_equal(run("cd %s && chown -R 54322 tree && ln other tree/linked", top), 0);
    assert_int_equal(access_let_read(at("tree"), OTHER_USER, &result), 0);
    assert_int_equal(result.skipped, 1);
    check("other", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    assert_int_equal(access_revoke_tree(at("tree"), OTHER_USER, &result), 0);
}

// A file created in a directory is for no user who could not have read it with a umask of 022. A
// directory that several users write to gets no default list.
static void test_defaults(void **state _unused_) {
    AccessResult result;

    if (!has_lists())
        skip();
    assert_int_equal(
        run("cd %s && mkdir -m 775 team && mkdir -m 1777 team/all && mkdir -m 2770 team/group && "
            "mkdir -m 750 team/sub && mkdir -m 755 team/own",
            top),
        0);
    set("team/own", ACL_TYPE_DEFAULT, "u::rwx,g::-,o::-");
    assert_int_equal(access_let_read(at("team"), OTHER_USER, &result), 0);
    assert_int_equal(result.shared, 2);
    check("team", ACL_TYPE_DEFAULT, "u::rwx,u:54321:r-x,g::r-x,m::r-x,o::r-x");
    check("team/all", ACL_TYPE_DEFAULT, "");
    check("team/group", ACL_TYPE_DEFAULT, "");
    check("team/group", ACL_TYPE_ACCESS, "u::rwx,u:54321:r-x,g::rwx,m::rwx,o::---");
    check("team/sub", ACL_TYPE_DEFAULT, "u::rwx,u:54321:r-x,g::r-x,m::r-x,o::---");
    check("team/own", ACL_TYPE_DEFAULT, "u::rwx,u:54321:r-x,g::---,m::r-x,o::---");
    assert_int_equal(run("cd %s/team && umask 0 && mkdir -m 700 new && mkdir new/er && echo 1 "
                         ">file && echo 2 >all/file",
                         top),
                     0);
    check("team/file", ACL_TYPE_ACCESS, "u::rw-,u:54321:r-x,g::r-x,m::r--,o::r--");
    check("team/all/file", ACL_TYPE_ACCESS, "u::rw-,g::rw-,o::rw-");

    // The lists that we made are removed, also where they were inherited. Older lists are as
    // before.
    assert_int_equal(access_revoke_tree(at("team"), OTHER_USER, &result), 0);
    check("team/own", ACL_TYPE_DEFAULT, "u::rwx,g::---,o::---");
    check("team/own", ACL_TYPE_ACCESS, "u::rwx,g::r-x,o::r-x");
    assert_int_equal(acl_delete_def_file(at("team/own")), 0);
    assert_false(has_some_list("team"));
}

// Files that are never shared get no permission, but lose it.
static void test_hidden(void **state _unused_) {
    AccessResult result;

    if (!has_lists())
        skip();
    assert_int_equal(run("cd %s && mkdir -p home/.ssh && echo 1 | tee home/.ssh/id_rsa "
                         "home/film.part home/film && "
                         "chmod -R go= home",
                         top),
                     0);
    assert_int_equal(access_let_read(at("home"), OTHER_USER, &result), 0);
    assert_int_equal(result.changed, 2);
    check("home/.ssh", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    check("home/.ssh/id_rsa", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("home/film.part", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("home/film", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::---,m::r--,o::---");
    set("home/.ssh/id_rsa", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::-,m::r,o::-");
    assert_int_equal(access_revoke_tree(at("home"), OTHER_USER, &result), 0);
    check("home/.ssh/id_rsa", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
}

// Files of other users that have come into the tree.
static void test_of_others(void **state _unused_) {
    AccessResult result;

    if (geteuid() != 0 || !has_lists())
        skip();
    assert_int_equal(
        run("cd %s && mkdir -p anns/theirs anns/open && cd anns && "
            "for f in theirs/deep secret readable teams others; do echo $f >$f; done && "
            "chown -R 54322:54400 . && chown -R 54323:54401 theirs open secret readable others && "
            "chown 54323 teams && chmod 700 . theirs && chmod 755 open && chmod 600 secret "
            "theirs/deep && "
            "chmod 644 readable && chmod 640 teams others",
            top),
        0);
    assert_int_equal(access_let_read(at("anns"), OTHER_USER, &result), 0);
    assert_int_equal(result.skipped, 3); // theirs, secret, others
    check("anns/theirs", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    check("anns/theirs/deep", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("anns/open", ACL_TYPE_DEFAULT, "");
    check("anns/secret", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("anns/readable", ACL_TYPE_ACCESS, "u::rw-,g::r--,o::r--");
    check("anns/teams", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::r--,m::r--,o::---");
    check("anns/others", ACL_TYPE_ACCESS, "u::rw-,g::r--,o::---");
    // Created there by the other user, it has inherited the list, and loses it.
    assert_int_equal(run("cd %s/anns && echo 1 >made && chown 54323 made", top), 0);
    assert_true(has_some_list("anns/made"));
    assert_int_equal(access_revoke_tree(at("anns"), OTHER_USER, &result), 0);
    assert_false(has_some_list("anns"));
}

// Root has secrets, and trees that other users write to.
static void test_of_root(void **state _unused_) {
    AccessResult result;

    if (geteuid() != 0 || !has_lists())
        skip();
    assert_int_equal(
        run("cd %s && mkdir -p roots/all && cd roots && echo 1 | tee own all/planted linked "
            "all/teams && "
            "ln linked linked-2 && chmod 600 own all/planted linked && chmod 640 all/teams && "
            "chmod 1777 all && chmod 700 .",
            top),
        0);
    assert_int_equal(access_let_read(at("roots"), OTHER_USER, &result), 0);
    assert_int_equal(result.skipped, 3); // planted, and linked twice
    check("roots/own", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::---,m::r--,o::---");
    check("roots/all/planted", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("roots/linked", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("roots/all/teams", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::r--,m::r--,o::---");
    // A file of another share, with a second name here, keeps its list.
    set("roots/linked", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::-,m::r,o::-");
    assert_int_equal(access_revoke_tree(at("roots"), OTHER_USER, &result), 0);
    assert_int_equal(result.skipped, 2);
    check("roots/linked", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::---,m::r--,o::---");
    check("roots/own", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
}

// Another user may rename what root has left in their home to the path of a share.
static void test_renamed(void **state _unused_) {
    static const char *const theirs[] = {"home/films", "home/films/old", "all/films",
                                         "sticky/dump"};
    AccessResult result;

    if (geteuid() != 0 || !has_lists())
        skip();
    assert_int_equal(
        run("cd %s && rm -rf home && mkdir -p home/films/old home/own all/films sticky/films && "
            "echo 1 | tee home/films/dump home/own/a sticky/dump && chmod -R go= home sticky && "
            "chmod 775 all && chgrp 54400 all && chmod 1777 sticky && chown 54322 home && chown -R "
            "54322 home/own",
            top),
        0);
    for (size_t i = 0; i < ELEMENTSOF(theirs); i++) {
        assert_int_equal(access_let_read(at(theirs[i]), OTHER_USER, &result), -EXDEV);
        assert_int_equal(access_let_pass(at(theirs[i]), OTHER_USER), -EXDEV);
        assert_int_equal(access_revoke_tree(at(theirs[i]), OTHER_USER, &result), 0);
    }
    assert_false(has_some_list("home"));
    assert_int_equal(access_let_read(at("home/own"), OTHER_USER, &result), 0);
    assert_int_equal(access_let_read(at("sticky/films"), OTHER_USER, &result), 0);
}

// Every user can make a tree deep. The other files still lose their lists.
static void test_deep(void **state _unused_) {
    AccessResult result;

    if (!has_lists())
        skip();
    assert_int_equal(
        run("cd %s && mkdir deep && for i in 1 2 3 4 5 6 7 8; do echo 1 >deep/$i; done && "
            "chmod -R go= deep",
            top),
        0);
    assert_int_equal(access_let_read(at("deep"), OTHER_USER, &result), 0);
    // There are files before and after it, in whatever order they are read.
    assert_int_equal(run("cd %s/deep && mkdir -p $(printf 'd/%%.0s' $(seq 70)) && "
                         "for i in 1 2 3 4 5 6 7 8; do echo 1 >later-$i; done",
                         top),
                     0);
    assert_int_equal(access_revoke_tree(at("deep"), OTHER_USER, &result), -E2BIG);
    assert_non_null(strstr(result.failed, "/deep/d/d/"));
    access_result_clear(&result);
    for (unsigned i = 1; i <= 8; i++) {
        char name[32];

        snprintf(name, sizeof(name), "deep/%u", i);
        assert_false(has_some_list(name));
        snprintf(name, sizeof(name), "deep/later-%u", i);
        assert_false(has_some_list(name));
    }
    assert_int_equal(access_let_read(at("deep"), OTHER_USER, &result), -E2BIG);
    access_result_clear(&result);
    // Once the list is removed by hand there, undoing succeeds.
    assert_int_equal(
        run("cd %s && mkdir -p $(printf 'bare/%%.0s' $(seq 70)) && rm -r deep/d && mv bare deep",
            top),
        0);
    assert_int_equal(access_revoke_tree(at("deep"), OTHER_USER, &result), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),      cmocka_unit_test(test_tree),
        cmocka_unit_test(test_masks),     cmocka_unit_test(test_linked),
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_of_others), cmocka_unit_test(test_of_root),
        cmocka_unit_test(test_renamed),   cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
