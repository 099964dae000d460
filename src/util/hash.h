// SPDX-License-Identifier: MIT
#pragma once

// uthash, with out of memory as an error to handle and not a reason to exit: what is added to a table has
// a field `bool hashed`, set before HASH_ADD and still set after it if that has worked.

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->hashed = false)
#include <uthash.h>
