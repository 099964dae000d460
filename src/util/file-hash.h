// SPDX-License-Identifier: MIT
#pragma once

// Computes the piece hashes and the root of an open file, in several threads. It reads the file and
// never maps it, because another program may truncate it at any time.

#include <stdint.h>
#include <sys/stat.h>

#include "util/merkle.h"

// Tells whether a file is still the same. Times are in ns since the epoch.
typedef struct FileIdentity {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified;
    int64_t changed;
} FileIdentity;

FileIdentity file_identity(const struct stat *st);
bool file_identity_equal(const FileIdentity *a, const FileIdentity *b);

typedef struct FileHash {
    FileIdentity identity; // the same before and after hashing
    MerkleHash root;
    MerkleHash *pieces; // owned; piece_count(identity.size) of them
} FileHash;

void file_hash_done(FileHash *hash);

// Called before each read, from any of the threads. It may sleep. A negative result ends the work
// with that error.
typedef int (*FileHashGate)(size_t bytes, void *userdata);

// Buffers and contexts, used for one file after another.
typedef struct FileHasher FileHasher;

// 0, -ENOMEM, or -ENOTSUP: no SHA-256.
int file_hasher_new(unsigned threads, FileHasher **ret);
FileHasher *file_hasher_free(FileHasher *hasher);
DEFINE_CLEANUP_FUNC(FileHasher, file_hasher_free)

// Hashes the regular file `fd`. `gate` may be NULL. 0, -ESTALE: the file has changed, the error of
// the gate, or -errno.
int file_hash(FileHasher *hasher, int fd, FileHashGate gate, void *userdata, FileHash *ret);
