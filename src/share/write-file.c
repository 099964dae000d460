// SPDX-License-Identifier: MIT

#include "share/write-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/fs-util.h"
#include "util/macro.h"

// A new name is on disk only when its directory has been synced.
static int write_file_sync_directory(const char *directory) {
    _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_file_write_text(int fd, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            left -= n;
        }
    }
    return 0;
}

static int write_file_fill(int fd, const char *text) {
    int r = write_file_write_text(fd, text);

    if (r < 0)
        return r;
    return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int write_file(const char *path, const char *text) {
    _cleanup_free_ char *directory = strndup(path, strrchr(path, '/') - path), *temporary = NULL;
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (!directory || asprintf(&temporary, "%s/.share-XXXXXX", directory) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    r = make_directories(directory, 0755);
    if (r < 0)
        return r;
    fd = mkostemp(temporary, O_CLOEXEC); // mode 0600
    if (fd < 0)
        return -errno;
    r = write_file_fill(fd, text);
    if (r >= 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r < 0 ? r : write_file_sync_directory(directory);
}
