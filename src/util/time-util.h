// SPDX-License-Identifier: MIT
#pragma once

#include <stdint.h>
#include <time.h>

// CLOCK_MONOTONIC in µs.
static inline uint64_t time_monotonic(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}
