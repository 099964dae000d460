// SPDX-License-Identifier: MIT
#pragma once

// Computes the roots of files on this host, on all CPUs.

#include "ctl/ctl.h"
#include "util/file-hash.h"

// Each returns STATUS_DONE, or has printed the error.
ExitStatus hash_begin(FileHasher **ret);
// *ret_size is the number of hashed bytes.
ExitStatus hash_named(FileHasher *hasher, const char *path, MerkleHash *ret, uint64_t *ret_size);
