// SPDX-License-Identifier: MIT
#pragma once

// The piece hashes and the root of an open file, by as many threads as wanted. The file is read, never
// mapped: another program may truncate it at any time.

#include <stdint.h>
#include <sys/stat.h>

#include "util/merkle.h"

// What tells that a file is still the one that was looked at. Times in ns since the epoch.
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
    FileIdentity identity; // before and after
    MerkleHash root;
    MerkleHash *pieces; // owned; piece_count(identity.size) of them
} FileHash;

void file_hash_done(FileHash *hash);

// Asked before each read, by any of the threads; may sleep. Negative: ends the work with that error.
typedef int (*FileHashGate)(size_t bytes, void *userdata);

// Buffers and contexts, to be used for one file after the other.
typedef struct FileHasher FileHasher;

int file_hasher_new(unsigned threads, FileHasher **ret); // 0, -ENOMEM, or -ENOTSUP: no SHA-256
FileHasher *file_hasher_free(FileHasher *hasher);
DEFINE_CLEANUP_FUNC(FileHasher, file_hasher_free)

// Hashes a regular file that `fd` reads. gate may be NULL. 0; -ESTALE: the file has changed meanwhile;
// what the gate said; -errno.
int file_hash(FileHasher *hasher, int fd, FileHashGate gate, void *userdata, FileHash *ret);
