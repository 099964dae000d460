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

enum {
    LINKS_MAX = 40, // as in path_resolution(7)
};

static int fs_open_resolving(int dir_fd, const char *path, int flags, mode_t mode,
                             uint64_t resolve) {
    const struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = mode,
        .resolve = resolve,
    };
    long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

int open_beneath(int dir_fd, const char *path, int flags, mode_t mode) {
    return fs_open_resolving(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int fs_open_without_links(const char *path, int flags) {
    return fs_open_resolving(AT_FDCWD, path, flags, 0, RESOLVE_NO_SYMLINKS);
}

// Reads where a link leads, if its owner can be trusted.
static int fs_read_trusted_link(int fd, const struct stat *st, char ret[static PATH_MAX]) {
    ssize_t n;

    if (st->st_uid != 0 && st->st_uid != geteuid())
        return -ENOLINK;
    n = readlinkat(fd, "", ret, PATH_MAX);
    if (n < 0)
        return -errno;
    if (n == PATH_MAX)
        return -ENAMETOOLONG;
    ret[n] = '\0';
    return 0;
}

// Replaces the first link in the path by what it leads to. Reads it through its descriptor, so that
// the link whose owner was checked is the one that is read.
static int fs_replace_link(char path[static PATH_MAX]) {
    char target[PATH_MAX], replaced[2 * PATH_MAX];

    for (char *name = path + strspn(path, "/"), *end; *name; name = end + strspn(end, "/")) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        char behind;
        int r;

        end = name + strcspn(name, "/");
        behind = *end;
        *end = '\0';
        r = fd = fs_open_without_links(path, O_PATH | O_NOFOLLOW);
        if (r >= 0)
            r = fstat(fd, &st) < 0 ? -errno : 0;
        *end = behind;
        if (r < 0)
            return r;
        if (!S_ISLNK(st.st_mode))
            continue;
        r = fs_read_trusted_link(fd, &st, target);
        if (r < 0)
            return r;
        snprintf(replaced, sizeof(replaced), "%.*s%s%s", target[0] == '/' ? 0 : (int)(name - path),
                 path, target, end);
        if (strlen(replaced) >= PATH_MAX)
            return -ENAMETOOLONG;
        strcpy(path, replaced);
        return 0;
    }
    return 0; // it was removed meanwhile
}

int open_trusted(const char *path, int flags, char **ret_real) {
    char real[PATH_MAX], self[32];
    int fd = -ELOOP;
    ssize_t n;

    if (strlen(path) >= sizeof(real))
        return -ENAMETOOLONG;
    strcpy(real, path);
    for (unsigned i = 0; i <= LINKS_MAX && fd == -ELOOP; i++) {
        int r = i == 0 ? 0 : fs_replace_link(real);

        if (r < 0)
            return r;
        fd = fs_open_without_links(real, flags);
    }
    if (fd < 0 || !ret_real)
        return fd;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    n = readlink(self, real, sizeof(real));
    *ret_real = n > 0 && n < (ssize_t)sizeof(real) ? strndup(real, n) : NULL;
    if (*ret_real)
        return fd;
    close_fd(fd);
    return n < 0 ? -errno : n == sizeof(real) ? -ENAMETOOLONG : -ENOMEM;
}

int check_free_space(int fd, uint64_t bytes, uint64_t *ret_free) {
    struct statvfs st;

    if (fstatvfs(fd, &st) < 0)
        return -errno;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
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

// Checks the whole path again, including its last part, in the way in which shares are opened.
static int fs_examine_end(const char *path) {
    char self[32];
    _cleanup_close_ int fd = open_trusted(path, O_PATH, NULL), opened = -EBADF, inside = -EBADF;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return -EINVAL; // opening a FIFO may block, opening a device may have effects
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
    size_t passed = 1; // bytes of the path that lead to fd
    int r = fd < 0 ? -errno : 0;

    *ret_component = NULL;
    for (; r >= 0 && *name; name = end + strspn(end, "/")) {
        char part[NAME_MAX + 1];
        int next = -EBADF;

        end = name + strcspn(name, "/");
        if (end - name > NAME_MAX)
            r = -ENAMETOOLONG;
        else {
            snprintf(part, sizeof(part), "%.*s", (int)(end - name), name);
            next = openat(fd, part, O_PATH | O_CLOEXEC);
            r = next < 0 ? -errno : 0;
        }
        if (r != -EACCES) // otherwise the directory denies access
            passed = end - path;
        if (r >= 0) {
            close_fd(fd);
            fd = next;
        }
    }
    if (r >= 0)
        r = fs_examine_end(path);
    if (r >= 0)
        return 0;
    *ret_component = strndup(path, passed);
    return *ret_component ? r : -ENOMEM;
}
