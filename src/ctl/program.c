// SPDX-License-Identifier: MIT

#include "ctl/program.h"

#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>

#include "util/macro.h"

char *program_path(const char *program, const char *otherwise) {
    char self[4096], *path;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n > 0) {
        self[n] = '\0';
        if (asprintf(&path, "%s/%s", dirname(self), program) < 0)
            return NULL;
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return strdup(otherwise);
}

int program_start(const char *path, char *const argv[], bool with_stderr, pid_t *ret_pid,
                  int *ret_fd) {
    posix_spawn_file_actions_t actions;
    _cleanup_close_ int from = -EBADF, to = -EBADF;
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    from = fds[0];
    to = fds[1];
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    if (r == 0 && with_stderr)
        r = posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
    if (r == 0)
        r = posix_spawnp(ret_pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r == 0)
        *ret_fd = TAKE_FD(from);
    return -r;
}
