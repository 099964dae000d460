// SPDX-License-Identifier: MIT

#include "util/timer.h"

#include <time.h>

int timer_new(sd_event *event, uint64_t accuracy, sd_event_time_handler_t handler, void *userdata,
              sd_event_source **ret) {
    sd_event_source *timer;
    int r;

    r = sd_event_add_time(event, &timer, CLOCK_MONOTONIC, 0, accuracy, handler, userdata);
    if (r < 0)
        return r;
    timer_stop(timer);
    *ret = timer;
    return 0;
}

int timer_arm(sd_event_source *timer, uint64_t usec) {
    int r = sd_event_source_set_time_relative(timer, usec);

    return r < 0 ? r : sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int timer_arm_at(sd_event_source *timer, uint64_t at) {
    int r = sd_event_source_set_time(timer, at);

    return r < 0 ? r : sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void timer_stop(sd_event_source *timer) {
    (void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

bool timer_is_armed(sd_event_source *timer) {
    int enabled;

    return sd_event_source_get_enabled(timer, &enabled) >= 0 && enabled != SD_EVENT_OFF;
}
