// SPDX-License-Identifier: MIT
#pragma once

// A timer on the loop that calls its handler once each time it is armed. It is an sd_event_source
// with CLOCK_MONOTONIC: sd_event_source_disable_unref() frees it.

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

// Creates a timer that is not armed. The loop may call the handler up to `accuracy` µs late, to
// combine wake-ups; 0 stands for the default, 250 ms. 0 or -errno.
int timer_new(sd_event *event, uint64_t accuracy, sd_event_time_handler_t handler, void *userdata,
              sd_event_source **ret);

// Calls the handler `usec` µs from now, or at that time of CLOCK_MONOTONIC in µs, instead of at any
// time set before. 0 or -errno; for a valid timer this does not fail.
int timer_arm(sd_event_source *timer, uint64_t usec);
int timer_arm_at(sd_event_source *timer, uint64_t at);

// The handler is not called before the timer is armed again.
void timer_stop(sd_event_source *timer);

bool timer_is_armed(sd_event_source *timer);
