// SPDX-License-Identifier: MIT
#pragma once

// A token bucket: bytes per second for all who share it, with a short burst. Whoever is ready takes what
// there is, so that nothing is lost while somebody can use it.

#include <stdatomic.h>
#include <stdint.h>

enum {
    // How long tokens pile up while nobody takes them: the longest burst.
    RATE_BURST_USEC = 100 * 1000,
};

typedef struct RateLimit {
    _Atomic uint64_t wanted; // what `rate` is to become
    uint64_t rate;           // bytes per second; 0: no limit
    uint64_t tokens;         // bytes that may be moved now
    uint64_t filled;         // when tokens were added last, CLOCK_MONOTONIC µs
} RateLimit;

// A changed rate begins with an empty bucket. From any thread; all else from one.
void rate_limit_set(RateLimit *limit, uint64_t rate);
static inline uint64_t rate_limit_rate(const RateLimit *limit) { // as set last; from any thread
    return limit->wanted;
}

// How many of `want` bytes may be moved now. 0: none, wait for rate_limit_wait().
uint64_t rate_limit_grant(RateLimit *limit, uint64_t want, uint64_t now);
// That many were moved; not more than were granted.
void rate_limit_spend(RateLimit *limit, uint64_t bytes);

// µs until a useful number of bytes is granted again.
uint64_t rate_limit_wait(const RateLimit *limit);
