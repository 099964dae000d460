// SPDX-License-Identifier: MIT

#include "peer/shares/share-file.h"

#include <fcntl.h>
#include <sodium.h>

#include "util/fs-util.h"

uint64_t share_stamp_of(const FileIdentity *identity) {
    // The key need not be secret: a user with write access to the file can change its content
    // without a collision.
    static const uint8_t key[crypto_shorthash_KEYBYTES] = {};
    const uint64_t fields[] = {
        identity->device,
        identity->inode,
        identity->size,
        (uint64_t)identity->modified,
        (uint64_t)identity->changed,
    };
    uint64_t stamp;

    crypto_shorthash((uint8_t *)&stamp, (const uint8_t *)fields, sizeof(fields), key);
    return stamp;
}

void share_file_done(ShareFile *file) {
    free(file->root);
    free(file->relative);
    *file = (ShareFile){};
}

int share_file_open(const ShareFile *file, struct stat *ret) {
    // O_NONBLOCK: if a FIFO has replaced the file, do not wait for its writer.
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    _cleanup_close_ int dir_fd = open_trusted(file->root, O_PATH | O_DIRECTORY, NULL);
    _cleanup_close_ int fd = -EBADF;
    FileIdentity identity;
    struct stat st;

    if (dir_fd < 0)
        return dir_fd;
    // Follow no symlink below the directory, because the walk followed none.
    fd = open_beneath(dir_fd, file->relative, flags, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    identity = file_identity(&st);
    if (!S_ISREG(st.st_mode) || share_stamp_of(&identity) != file->stamp)
        return -ESTALE;
    *ret = st;
    return TAKE_FD(fd);
}
