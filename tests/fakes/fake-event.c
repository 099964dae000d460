// SPDX-License-Identifier: MIT

#include "fake-event.h"

#include <errno.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "check.h"
#include "fake-clock.h"

struct sd_event_source {
    LIST_ENTRY(sd_event_source) link;
    uint64_t time; // µs of the fake clock
    int enabled;
    sd_event_time_handler_t handler;
    void *userdata;
};

static LIST_HEAD(, sd_event_source) timers;

sd_event *sd_event_ref(sd_event *event) {
    return event;
}

sd_event *sd_event_unref(sd_event *event) {
    (void)event;
    return NULL;
}

int sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                      uint64_t accuracy, sd_event_time_handler_t callback, void *userdata) {
    sd_event_source *timer = calloc(1, sizeof(*timer));

    (void)event, (void)clock, (void)accuracy;
    CHECK(timer);
    timer->time = usec;
    timer->enabled = SD_EVENT_ONESHOT;
    timer->handler = callback;
    timer->userdata = userdata;
    LIST_INSERT_HEAD(&timers, timer, link);
    *ret = timer;
    return 0;
}

int sd_event_add_time_relative(sd_event *event, sd_event_source **ret, clockid_t clock,
                               uint64_t usec, uint64_t accuracy, sd_event_time_handler_t callback,
                               void *userdata) {
    return sd_event_add_time(event, ret, clock, fake_now + usec, accuracy, callback, userdata);
}

int sd_event_source_set_time(sd_event_source *timer, uint64_t usec) {
    timer->time = usec;
    return 0;
}

int sd_event_source_set_time_relative(sd_event_source *timer, uint64_t usec) {
    timer->time = fake_now + usec;
    return 0;
}

int sd_event_source_set_enabled(sd_event_source *timer, int enabled) {
    // As sd-event: there is nothing to switch off where there is no source.
    if (!timer)
        return enabled == SD_EVENT_OFF ? 0 : -EINVAL;
    timer->enabled = enabled;
    return 0;
}

int sd_event_source_get_enabled(sd_event_source *timer, int *ret) {
    *ret = timer->enabled;
    return timer->enabled != SD_EVENT_OFF;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *timer) {
    if (timer) {
        LIST_REMOVE(timer, link);
        free(timer);
    }
    return NULL;
}

static sd_event_source *find_next(void) {
    sd_event_source *timer, *next = NULL;

    LIST_FOREACH (timer, &timers, link)
        if (timer->enabled != SD_EVENT_OFF && (!next || timer->time < next->time))
            next = timer;
    return next;
}

uint64_t fake_timer_next(void) {
    const sd_event_source *next = find_next();

    return next ? next->time : UINT64_MAX;
}

void fake_timers_run(void) {
    sd_event_source *timer;

    for (int rounds = 0; (timer = find_next()) && timer->time <= fake_now; rounds++) {
        CHECK(rounds < 1000); // a timer that is always due
        if (timer->enabled == SD_EVENT_ONESHOT)
            timer->enabled = SD_EVENT_OFF;
        CHECK(timer->handler(timer, timer->time, timer->userdata) >= 0);
    }
}

size_t fake_timers_count(void) {
    const sd_event_source *timer;
    size_t n = 0;

    LIST_FOREACH (timer, &timers, link)
        n++;
    return n;
}
