// SPDX-License-Identifier: MIT
#pragma once

// A token bucket: bytes per second with a short burst, shared by many users. Whoever is ready takes
// what there is, so no bandwidth is lost while somebody can use it.

#include <stdatomic.h>
#include <stdint.h>

enum {
    // How long tokens pile up while nobody takes them. This is the longest burst.
    RATE_BURST_USEC = 100 * 1000,
};

typedef struct RateLimit {
    _Atomic uint64_t wanted; // the next `rate`
    uint64_t rate;           // bytes per second; 0: no limit
    uint64_t tokens;         // bytes that may be moved now
    uint64_t filled;         // when tokens were last added, CLOCK_MONOTONIC µs
} RateLimit;

// Sets a new rate, which begins with an empty bucket. Any thread may call it; all other calls come
// from one thread.
void rate_limit_set(RateLimit *limit, uint64_t rate);
// The rate that was set last. Any thread may call it.
static inline uint64_t rate_limit_rate(const RateLimit *limit) {
    return limit->wanted;
}

// Returns how many of `want` bytes may be moved now. 0: none, wait for rate_limit_wait().
uint64_t rate_limit_grant(RateLimit *limit, uint64_t want, uint64_t now);
// Counts bytes that were moved, at most as many as were granted.
void rate_limit_spend(RateLimit *limit, uint64_t bytes);

// µs until a useful number of bytes is available.
uint64_t rate_limit_wait(const RateLimit *limit);
