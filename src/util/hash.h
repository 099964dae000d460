// SPDX-License-Identifier: MIT
#pragma once

// uthash, but running out of memory does not exit the program. Elements have a field `bool hashed`.
// Set it before HASH_ADD; it is still set afterwards if that has worked.

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->hashed = false)
#include <uthash.h>
