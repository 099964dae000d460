// SPDX-License-Identifier: MIT

#include "peer/downloads/download-target.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "util/fs-util.h"
#include "util/macro.h"

// Used only for downloads into download-dir. For a directory of the user, p2pctl opens the part
// itself (ctl/target.c) and passes the descriptor. Keep the checks in both places the same.
static const char part_suffix[] = ".part";

int download_target_open(DownloadTarget *target, const char *directory, const char *name) {
    _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
    struct stat st, now;

    if (strlen(name) > NAME_BYTES_MAX)
        return -ENAMETOOLONG;
    dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return -errno;
    if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
        return -EEXIST;
    // A name that fills NAME_MAX leaves no room for the suffix, so its end is cut off.
    snprintf(target->part, sizeof(target->part), "%.*s%s",
             (int)(NAME_BYTES_MAX - strlen(part_suffix)), name, part_suffix);
    fd = openat(dir_fd, target->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    // Refuse a FIFO, and a hard link to a file that is not ours to empty.
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
        return -EINVAL;
    // Between our open and our lock, another download may have renamed the part to its final name.
    if (fstatat(dir_fd, target->part, &now, AT_SYMLINK_NOFOLLOW) < 0 || now.st_ino != st.st_ino ||
        now.st_dev != st.st_dev)
        return -EWOULDBLOCK;
    snprintf(target->name, sizeof(target->name), "%s", name);
    target->dir_fd = TAKE_FD(dir_fd);
    target->fd = TAKE_FD(fd);
    return 0;
}

static int download_target_rename_new(int dir_fd, const char *from, const char *to) {
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) >= 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    // Not every file system supports the flag. Then a check before the rename must be enough.
    if (faccessat(dir_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
        return -EEXIST;
    return renameat(dir_fd, from, dir_fd, to) < 0 ? -errno : 0;
}

// Syncs the directory so that the new name survives a loss of power, as the contents do. Errors are
// ignored: not every file system can do it, and a file under its final name is complete anyway.
static void download_target_sync_directory(int dir_fd) {
    _cleanup_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

int download_target_commit(DownloadTarget *target) {
    if (target->dir_fd >= 0) {
        int r = download_target_rename_new(target->dir_fd, target->part, target->name);

        if (r < 0)
            return r;
        download_target_sync_directory(target->dir_fd);
        target->dir_fd = close_fd(target->dir_fd);
    }
    target->fd = close_fd(target->fd);
    return 0;
}

void download_target_discard(DownloadTarget *target) {
    if (target->dir_fd >= 0 && target->fd >= 0)
        (void)unlinkat(target->dir_fd, target->part, 0);
}

void download_target_done(DownloadTarget *target) {
    target->fd = close_fd(target->fd);
    target->dir_fd = close_fd(target->dir_fd);
}

int download_target_check_space(const DownloadTarget *target, uint64_t size) {
    uint64_t held, available;
    struct stat st;

    if (fstat(target->fd, &st) < 0)
        return -errno;
    held = (uint64_t)st.st_blocks * 512;
    return held >= size ? 0 : check_free_space(target->fd, size - held, &available);
}

bool download_target_is_usable(int fd) {
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    // With O_APPEND, the kernel would ignore the offsets of our writes.
    return (flags & O_ACCMODE) == O_RDWR && !(flags & (O_APPEND | O_PATH));
}

const char *download_target_error(int error) {
    switch (error) {
    case -EWOULDBLOCK:
        return "another download is writing it";
    case -EEXIST:
        return "a file of that name is there already";
    case -EACCES:
        // See daemon/sandbox.h.
        return "permission denied (a directory that was made or mounted after p2p-peer had started "
               "needs: systemctl restart p2p-peer)";
    default:
        return strerror(-error);
    }
}
