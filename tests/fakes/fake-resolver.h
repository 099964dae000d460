// SPDX-License-Identifier: MIT
#pragma once

// Takes the place of the resolver: a look-up lasts until the fuzzer ends it. One at a time.

#include <stdbool.h>

bool fake_lookup_pending(void);
// r: 0, and two addresses are found; or what it fails with.
void fake_lookup_end(int r);
