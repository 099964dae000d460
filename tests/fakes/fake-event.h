// SPDX-License-Identifier: MIT
#pragma once

// Takes the place of sd-event where a module has no sources but timers: the fake clock decides when
// they are due, and the fuzzer calls them. Events are not looked at: any pointer, or NULL, will do.

#include <stddef.h>
#include <stdint.h>

uint64_t fake_timer_next(void); // when the next one is due, in µs; UINT64_MAX: none is armed
void fake_timers_run(void);     // calls those that are due at fake_now, in their order
size_t fake_timers_count(void); // that exist, armed or not
