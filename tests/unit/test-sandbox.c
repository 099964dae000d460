// SPDX-License-Identifier: MIT

#include "daemon/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test.h"

// A child that has entered the sandbox makes each attempt, with one directory that it may write to
// and one that it may not. Returns 0 or the errno.
typedef int (*Attempt)(int own, int other);

typedef struct World {
    char own[64], other[64];
    int own_fd, other_fd, file_fd; // the file is in `other` and was opened before
} World;

static int abi(void) {
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int make_world(void **state) {
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    strcpy(world->own, "/tmp/p2pshare-own-XXXXXX");
    strcpy(world->other, "/tmp/p2pshare-other-XXXXXX");
    assert_non_null(mkdtemp(world->own));
    assert_non_null(mkdtemp(world->other));
    world->own_fd = open(world->own, O_PATH | O_DIRECTORY | O_CLOEXEC);
    world->other_fd = open(world->other, O_PATH | O_DIRECTORY | O_CLOEXEC);
    world->file_fd = openat(world->other_fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(world->own_fd >= 0 && world->other_fd >= 0 && world->file_fd >= 0);
    *state = world;
    return 0;
}

static int remove_world(void **state) {
    World *world = *state;
    char command[160];

    snprintf(command, sizeof(command), "rm -rf %s %s", world->own, world->other);
    assert_int_equal(system(command), 0);
    close(world->own_fd);
    close(world->other_fd);
    close(world->file_fd);
    free(world);
    return 0;
}

static int result_of(const World *world, Attempt attempt) {
    const char *const writable[] = {world->own, "/nonexistent"};
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_enter(writable, ELEMENTSOF(writable)) < 0)
            _exit(255);
        _exit(attempt(world->own_fd, world->other_fd));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int create(int directory, const char *name) {
    int fd = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    return fd < 0 ? errno : 0;
}

static int create_own(int own, int other _unused_) {
    return create(own, "new");
}

static int create_other(int own _unused_, int other) {
    return create(other, "new");
}

static int write_other(int own _unused_, int other) {
    return openat(other, "file", O_WRONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int read_other(int own _unused_, int other) {
    return openat(other, "file", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int remove_other(int own _unused_, int other) {
    return unlinkat(other, "file", 0) < 0 ? errno : 0;
}

static int rename_own(int own, int other _unused_) {
    int r = create(own, "x");

    return r != 0 ? r : renameat(own, "x", own, "y") < 0 ? errno : 0;
}

static int link_own(int own, int other _unused_) {
    return symlinkat("/", own, "link") < 0 ? errno : 0;
}

static int execute(int own _unused_, int other _unused_) {
    execl("/bin/true", "true", NULL);
    return errno;
}

static int bind_port(int own _unused_, int other _unused_) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

static int signal_parent(int own _unused_, int other _unused_) {
    return kill(getppid(), 0) < 0 ? errno : 0;
}

static int signal_self(int own _unused_, int other _unused_) {
    return kill(getpid(), 0) < 0 ? errno : 0;
}

static int privileges(int own _unused_, int other _unused_) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long caps = 1;
    int effective = -1;

    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "CapEff: %llx", &caps) == 1)
            effective = caps == 0 ? 0 : EPERM;
    return effective != 0 ? EPERM : prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : EBUSY;
}

static void test_privileges(void **state) {
    assert_int_equal(result_of(*state, privileges), 0);
}

static void test_files(void **state) {
    if (abi() < 0)
        skip();
    assert_int_equal(result_of(*state, create_own), 0);
    assert_int_equal(result_of(*state, rename_own), 0);
    assert_int_equal(result_of(*state, read_other), 0);
    assert_int_equal(result_of(*state, create_other), EACCES);
    assert_int_equal(result_of(*state, write_other), EACCES);
    assert_int_equal(result_of(*state, remove_other), EACCES);
    assert_int_equal(result_of(*state, link_own), EACCES);
    assert_int_equal(result_of(*state, execute), EACCES);
}

static int passed_fd = -EBADF;

static int write_passed(int own _unused_, int other _unused_) {
    return ftruncate(passed_fd, 0) < 0 || pwrite(passed_fd, "x", 1, 0) != 1 ? errno : 0;
}

// A caller of Download passes an open file, which may be anywhere.
static void test_open_files(void **state) {
    passed_fd = ((const World *)*state)->file_fd;
    assert_int_equal(result_of(*state, write_passed), 0);
}

static void test_network(void **state) {
    if (abi() < 4)
        skip();
    assert_int_equal(result_of(*state, bind_port), EACCES);
}

static void test_signals(void **state) {
    if (abi() < 6)
        skip();
    assert_int_equal(result_of(*state, signal_self), 0);
    assert_int_equal(result_of(*state, signal_parent), EPERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_privileges, make_world, remove_world),
        cmocka_unit_test_setup_teardown(test_files, make_world, remove_world),
        cmocka_unit_test_setup_teardown(test_open_files, make_world, remove_world),
        cmocka_unit_test_setup_teardown(test_network, make_world, remove_world),
        cmocka_unit_test_setup_teardown(test_signals, make_world, remove_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
