// SPDX-License-Identifier: MIT

#include "util/fs-util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

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
