// SPDX-License-Identifier: MIT

#include <acl/libacl.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "share/access.h"
#include "test.h"

enum {
    SOMEBODY = 54321, // a user that nobody is
};

static char top[] = "/tmp/p2pshare-access-XXXXXX";

static int run(const char *format, ...) _printf_(1, 2);
static int run(const char *format, ...) {
    char command[512];
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

// Not every file system does.
static bool has_lists(void) {
    return access_let_pass(top, SOMEBODY) == 0 && access_revoke(top, SOMEBODY) == 0;
}

static void test_pass(void **state _unused_) {
    if (!has_lists())
        skip();
    assert_int_equal(access_let_pass(at("tree"), SOMEBODY), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54321:--x,g::---,m::--x,o::---");
    check("tree/sub", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    assert_int_equal(access_let_pass(at("tree"), SOMEBODY), 0); // is the same
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54321:--x,g::---,m::--x,o::---");
    assert_int_equal(access_revoke(at("tree"), SOMEBODY), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,g::---,o::---");
    assert_int_equal(access_revoke(at("tree"), SOMEBODY), 0);
    assert_int_equal(access_let_pass(at("no"), SOMEBODY), -ENOENT);
    assert_int_equal(access_let_pass(at("tree/link"), SOMEBODY), -ELOOP);
}

static void test_tree(void **state _unused_) {
    AccessResult result;

    if (!has_lists())
        skip();
    assert_int_equal(access_let_read(at("tree"), SOMEBODY, &result), 0);
    assert_int_equal(result.changed, 4);
    assert_int_equal(result.skipped, 0);
    check("tree/sub", ACL_TYPE_ACCESS, "u::rwx,u:54321:r-x,g::---,m::r-x,o::---");
    check("tree/sub", ACL_TYPE_DEFAULT, "u::rwx,u:54321:r-x,g::---,m::r-x,o::---");
    check("tree/sub/b", ACL_TYPE_ACCESS, "u::rw-,u:54321:r--,g::---,m::r--,o::---");
    check("other", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    assert_int_equal(run("cd %s && umask 077 && echo new >tree/sub/new", top), 0);
    check("tree/sub/new", ACL_TYPE_ACCESS, "u::rw-,u:54321:r-x,g::---,m::r--,o::---");
    assert_int_equal(access_revoke_tree(at("tree"), SOMEBODY, &result), 0);
    assert_int_equal(result.changed, 5);
    check("tree", ACL_TYPE_DEFAULT, "");
    check("tree/sub", ACL_TYPE_DEFAULT, "");
    check("tree/sub/b", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    check("tree/sub/new", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
}

// Whoever the mask held back gets nothing of what it is opened for.
static void test_masks(void **state _unused_) {
    acl_t before = acl_from_text("u::rwx,u:54322:rwx,g::r-x,g:54323:rw-,m::---,o::---");

    if (!has_lists())
        skip();
    assert_int_equal(acl_set_file(at("tree"), ACL_TYPE_ACCESS, before), 0);
    assert_int_equal(access_let_pass(at("tree"), SOMEBODY), 0);
    check("tree", ACL_TYPE_ACCESS,
          "u::rwx,u:54321:--x,u:54322:---,g::---,g:54323:---,m::--x,o::---");
    assert_int_equal(access_revoke(at("tree"), SOMEBODY), 0);
    check("tree", ACL_TYPE_ACCESS, "u::rwx,u:54322:---,g::---,g:54323:---,m::---,o::---");
    acl_free(before);
}

// Somebody else's file under a name in the tree; root alone can make one here.
static void test_linked(void **state _unused_) {
    AccessResult result;

    if (geteuid() != 0 || !has_lists())
        skip();
    assert_int_equal(run("cd %s && chown -R 54322 tree && ln other tree/linked", top), 0);
    assert_int_equal(access_let_read(at("tree"), SOMEBODY, &result), 0);
    assert_int_equal(result.skipped, 1);
    check("other", ACL_TYPE_ACCESS, "u::rw-,g::---,o::---");
    assert_int_equal(access_revoke_tree(at("tree"), SOMEBODY, &result), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_linked),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
