// SPDX-License-Identifier: MIT

#include "util/fs-util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/macro.h"

int open_beneath(int dir_fd, const char *path, int flags, mode_t mode) {
    const struct open_how how = {
        .flags = (unsigned) flags | O_CLOEXEC,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int) fd;
}

int check_free_space(int fd, uint64_t bytes, uint64_t *ret_free) {
    struct statvfs st;

    if (fstatvfs(fd, &st) < 0)
        return -errno;
    *ret_free = (uint64_t) st.f_bavail * st.f_frsize;
    return *ret_free < bytes ? -ENOSPC : 0;
}

int make_directories(const char *path, mode_t mode) {
    _cleanup_free_ char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}
