// SPDX-License-Identifier: MIT
#pragma once

// The roots of files on this machine, by all cores.

#include "ctl/ctl.h"
#include "util/file-hash.h"

// Each returns STATUS_DONE, or what it has printed.
ExitStatus hash_begin(FileHasher **ret);
// *ret_size: the bytes that were hashed.
ExitStatus hash_named(FileHasher *hasher, const char *path, MerkleHash *ret, uint64_t *ret_size);
