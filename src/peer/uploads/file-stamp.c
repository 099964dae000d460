// SPDX-License-Identifier: MIT

#include "peer/uploads/file-stamp.h"

#include <errno.h>
#include <stdbool.h>

int file_stamp_get(int fd, FileStamp *ret) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret = (FileStamp){.size = st.st_size, .modified = st.st_mtim, .changed = st.st_ctim};
    return 0;
}

static bool file_stamp_same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int file_stamp_check(int fd, const FileStamp *then) {
    FileStamp now;
    int r;

    r = file_stamp_get(fd, &now);
    if (r < 0)
        return r;
    return now.size == then->size && file_stamp_same_time(&now.modified, &then->modified) &&
                   file_stamp_same_time(&now.changed, &then->changed)
               ? 0
               : -ESTALE;
}
