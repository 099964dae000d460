// SPDX-License-Identifier: MIT

#include "util/fs-util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
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

bool path_is_below(const char *path, const char *directory) {
    size_t len = strlen(directory);

    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
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

// The last part of the way: as what is shared is opened.
static int examine_end(int fd) {
    char self[32];
    _cleanup_close_ int opened = -EBADF, inside = -EBADF;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return -EINVAL; // a FIFO may wait, a device may act
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    opened = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (opened < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        inside = openat(fd, ".", O_PATH | O_CLOEXEC);
    return S_ISDIR(st.st_mode) && inside < 0 ? -errno : 0;
}

int examine_path(const char *path, char **ret_component) {
    _cleanup_close_ int fd = open("/", O_PATH | O_CLOEXEC);
    const char *name = path + strspn(path, "/"), *end;
    size_t passed = 1; // bytes of the path up to which fd is
    int r = fd < 0 ? -errno : 0;

    *ret_component = NULL;
    for (; r >= 0 && *name; name = end + strspn(end, "/")) {
        char part[NAME_MAX + 1];
        int next = -EBADF;

        end = name + strcspn(name, "/");
        if (end - name > NAME_MAX)
            r = -ENAMETOOLONG;
        else {
            snprintf(part, sizeof(part), "%.*s", (int) (end - name), name);
            next = openat(fd, part, O_PATH | O_CLOEXEC);
            r = next < 0 ? -errno : 0;
        }
        if (r != -EACCES) // else it is the directory that does not let us
            passed = end - path;
        if (r >= 0) {
            close_fd(fd);
            fd = next;
        }
    }
    if (r >= 0)
        r = examine_end(fd);
    if (r >= 0)
        return 0;
    *ret_component = strndup(path, passed);
    return *ret_component ? r : -ENOMEM;
}
