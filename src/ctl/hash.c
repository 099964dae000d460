// SPDX-License-Identifier: MIT

#include "ctl/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "ctl/output.h"
#include "util/macro.h"

enum {
    READ_BYTES = 1024 * 1024,
    THREADS_MAX = 64,
};

// For what can only be read in order: a pipe, a device, a file of /proc.
static int hash_stream(int fd, MerkleHash *ret, uint64_t *ret_size) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    _cleanup_free_ char *buffer = malloc(READ_BYTES);
    uint64_t size = 0;
    int r;

    if (!buffer)
        return -ENOMEM;
    r = merkle_new(&merkle);
    while (r >= 0) {
        ssize_t n = read(fd, buffer, READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        r = merkle_update(merkle, buffer, n);
        size += n;
    }
    *ret_size = size;
    return r < 0 ? r : merkle_finish(merkle, ret);
}

// 0 or -errno. *ret_size is the number of hashed bytes.
static int hash_path(FileHasher *hasher, const char *path, MerkleHash *ret, uint64_t *ret_size) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    FileHash hash = {};
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    // Files of /proc have a size of 0, but content.
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return hash_stream(fd, ret, ret_size);
    r = file_hash(hasher, fd, NULL, NULL, &hash);
    *ret = hash.root;
    *ret_size = hash.identity.size;
    file_hash_done(&hash);
    return r;
}

ExitStatus hash_named(FileHasher *hasher, const char *path, MerkleHash *ret, uint64_t *ret_size) {
    int r = hash_path(hasher, path, ret, ret_size);

    if (r >= 0)
        return STATUS_DONE;
    if (r != -ESTALE)
        return fail_errno(r, "cannot read %s", path);
    ctl_error("%s has changed while it was read.", path);
    return STATUS_FAILED;
}

ExitStatus hash_begin(FileHasher **ret) {
    int r = file_hasher_new(MAX(MIN(get_nprocs(), (int)THREADS_MAX), 1), ret);

    if (r == -ENOMEM)
        return fail_memory();
    return r < 0 ? fail_errno(r, "cannot compute SHA-256") : STATUS_DONE;
}
