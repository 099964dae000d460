// SPDX-License-Identifier: MIT

#include "fake-clock.h"

#include <time.h>

#include "util/macro.h"

uint64_t fake_now;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock _unused_, struct timespec *ret) {
    *ret = (struct timespec){
        .tv_sec = (time_t)(fake_now / USEC_PER_SEC),
        .tv_nsec = (long)(fake_now % USEC_PER_SEC) * 1000,
    };
    return 0;
}
