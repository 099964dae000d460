// SPDX-License-Identifier: MIT
#pragma once

// A clock that stands still until it is told to go on. Needs -Wl,--wrap=clock_gettime.

#include <stdint.h>

extern uint64_t fake_now; // µs; of every clock
