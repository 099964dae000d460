// SPDX-License-Identifier: MIT

#include "util/rate-limit.h"

#include "util/macro.h"

enum {
    // Moving fewer bytes is not worth a system call, unless the rate allows no more in a burst.
    GRANT_BYTES_MIN = 16 * 1024,
};

static uint64_t rate_limit_burst(const RateLimit *limit) {
    return MAX(limit->rate / (USEC_PER_SEC / RATE_BURST_USEC), UINT64_C(1));
}

static uint64_t rate_limit_least_grant(const RateLimit *limit) {
    return MIN(rate_limit_burst(limit), (uint64_t)GRANT_BYTES_MIN);
}

void rate_limit_set(RateLimit *limit, uint64_t rate) {
    limit->wanted = rate;
}

uint64_t rate_limit_grant(RateLimit *limit, uint64_t want, uint64_t now) {
    uint64_t elapsed, added, wanted = limit->wanted;

    if (wanted != limit->rate) {
        limit->rate = wanted;
        limit->tokens = 0;
        limit->filled = now;
    }
    if (limit->rate == 0)
        return want;
    // After a long pause the bucket is full. This also keeps the product small.
    elapsed = MIN(now - limit->filled, (uint64_t)RATE_BURST_USEC);
    added = (uint64_t)((__uint128_t)limit->rate * elapsed / USEC_PER_SEC);
    if (elapsed == RATE_BURST_USEC)
        added = rate_limit_burst(limit);
    // A fraction of a byte would be lost.
    if (added > 0) {
        limit->tokens = MIN(limit->tokens + added, rate_limit_burst(limit));
        limit->filled = now;
    }
    return limit->tokens < rate_limit_least_grant(limit) && limit->tokens < want
               ? 0
               : MIN(limit->tokens, want);
}

void rate_limit_spend(RateLimit *limit, uint64_t bytes) {
    if (limit->rate > 0)
        limit->tokens -= MIN(bytes, limit->tokens);
}

uint64_t rate_limit_wait(const RateLimit *limit) {
    uint64_t least = rate_limit_least_grant(limit);

    if (limit->rate == 0 || limit->tokens >= least)
        return 0;
    return (uint64_t)((__uint128_t)(least - limit->tokens) * USEC_PER_SEC / limit->rate) + 1;
}
