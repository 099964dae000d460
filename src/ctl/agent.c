// SPDX-License-Identifier: MIT

#include "ctl/agent.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "util/macro.h"

static int agent_spawn(int notify_fd, pid_t *ret) {
    char fd_text[16];
    char *argv[] = {(char *)"pkttyagent", (char *)"--notify-fd", fd_text, (char *)"--fallback",
                    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int r;

    snprintf(fd_text, sizeof(fd_text), "%d", notify_fd);
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -r;
    }
    // A download blocks signals that have to end the agent.
    sigemptyset(&none);
    r = posix_spawnattr_setsigmask(&attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    // Duplicated onto itself, so that it stays open across execve().
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, notify_fd, notify_fd);
    if (r == 0)
        r = posix_spawnp(ret, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

// The agent closes the descriptor when polkit knows of it, or when it ends.
static void agent_wait_until_ready(int fd) {
    char byte;
    ssize_t n;

    do
        n = read(fd, &byte, sizeof(byte));
    while (n > 0 || (n < 0 && errno == EINTR));
}

pid_t agent_start(void) {
    _cleanup_close_ int ours = -EBADF, its = -EBADF;
    int fds[2], r;
    pid_t pid;

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    ours = fds[0];
    its = fds[1];
    r = agent_spawn(its, &pid);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    its = close_fd(its);
    agent_wait_until_ready(ours);
    return pid;
}

void agent_stop(pid_t pid) {
    if (pid <= 0)
        return;
    // On SIGTERM, the agent turns the echo of the terminal on again.
    (void)kill(pid, SIGTERM);
    (void)kill(pid, SIGCONT);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
