// SPDX-License-Identifier: MIT

#include "peer/shares/share-watch.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/log-id.h"
#include "util/log.h"
#include "util/time-util.h"

static const uint64_t SETTLE_USEC = USEC_PER_SEC;
static const uint64_t SETTLE_USEC_MAX = 10 * USEC_PER_SEC;
static const uint64_t RESCAN_USEC = 600 * USEC_PER_SEC;
// Thousands of irrelevant events may arrive, for example from a download into a shared directory,
// so read them only at this interval. sd_event_source_set_ratelimit() cannot do it: libsystemd 252
// aborts if a rate-limited source is switched off.
static const uint64_t READ_INTERVAL_USEC = 50 * USEC_PER_MSEC;

enum {
    // After a walk, rest this many times as long as the walk took.
    REST_FACTOR = 9,
};

struct ShareWatch {
    sd_event *event;
    ShareWatchHandler on_change;
    void *userdata;
    int fd;                  // of inotify; or an -errno
    sd_event_source *source; // off while settling: events add nothing then
    sd_event_source *pause;  // timer: read again after READ_INTERVAL_USEC
    sd_event_source *timer;
    WatchSet *set; // of the last walk
    bool walking;
    bool changed;        // since the walk began
    uint64_t changed_at; // when the first change came, CLOCK_MONOTONIC µs
    uint64_t began_at;   // when the last walk began, CLOCK_MONOTONIC µs
    uint64_t rest_until; // no walk before this, CLOCK_MONOTONIC µs
    char problem[160];
};

static void share_watch_set_timer(ShareWatch *watch, uint64_t usec) {
    (void)sd_event_source_set_time(watch->timer, usec);
    (void)sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

// Reads all pending events. Returns true if one of them matters.
static bool share_watch_read_events(ShareWatch *watch) {
    alignas(struct inotify_event) char buffer[16384];
    bool concerns = false;
    ssize_t n;

    while (watch->fd >= 0 && (n = read(watch->fd, buffer, sizeof(buffer))) > 0)
        for (const char *p = buffer; p < buffer + n;) {
            const struct inotify_event *event = (const void *)p;

            concerns = concerns || !watch->set || watch_set_concerns(watch->set, event);
            p += sizeof(*event) + event->len;
        }
    return concerns;
}

// Starts the wait that ends in a walk.
static void share_watch_begin_settling(ShareWatch *watch) {
    uint64_t now = time_monotonic();

    if (watch->changed)
        return;
    watch->changed = true;
    watch->changed_at = now;
    if (watch->walking)
        return; // share_watch_end() continues from here
    (void)sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
    share_watch_set_timer(watch, MAX(now + SETTLE_USEC, watch->rest_until));
}

static int share_watch_on_event(sd_event_source *source _unused_, int fd _unused_,
                                uint32_t revents _unused_, void *userdata) {
    ShareWatch *watch = userdata;

    if (share_watch_read_events(watch)) {
        share_watch_begin_settling(watch);
        return 0;
    }
    (void)sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
    (void)sd_event_source_set_time_relative(watch->pause, READ_INTERVAL_USEC);
    (void)sd_event_source_set_enabled(watch->pause, SD_EVENT_ONESHOT);
    return 0;
}

static int share_watch_on_pause(sd_event_source *source _unused_, uint64_t usec _unused_,
                                void *userdata) {
    ShareWatch *watch = userdata;

    if (!watch->walking && !watch->changed)
        (void)sd_event_source_set_enabled(watch->source, SD_EVENT_ON);
    return 0;
}

static int share_watch_on_timer(sd_event_source *source _unused_, uint64_t usec _unused_,
                                void *userdata) {
    ShareWatch *watch = userdata;
    uint64_t now = time_monotonic();

    if (watch->walking)
        return 0;
    if (watch->changed && share_watch_read_events(watch) &&
        now < watch->changed_at + SETTLE_USEC_MAX) {
        share_watch_set_timer(watch, MIN(now + SETTLE_USEC, watch->changed_at + SETTLE_USEC_MAX));
        return 0;
    }
    watch->on_change(watch->userdata);
    if (!watch->walking) { // the walk could not be started
        watch->changed = false;
        (void)sd_event_source_set_enabled(watch->source, SD_EVENT_ON);
    }
    return 0;
}

int share_watch_new(sd_event *event, ShareWatchHandler on_change, void *userdata,
                    ShareWatch **ret) {
    _cleanup_(share_watch_freep) ShareWatch *watch = calloc(1, sizeof(*watch));
    int r;

    if (!watch)
        return -ENOMEM;
    watch->event = sd_event_ref(event);
    watch->on_change = on_change;
    watch->userdata = userdata;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        watch->fd = -errno;
    else {
        r = sd_event_add_io(event, &watch->source, watch->fd, EPOLLIN, share_watch_on_event, watch);
        if (r < 0)
            return r;
    }
    r = sd_event_add_time(event, &watch->pause, CLOCK_MONOTONIC, 0, 0, share_watch_on_pause, watch);
    if (r >= 0)
        r = sd_event_source_set_enabled(watch->pause, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(event, &watch->timer, CLOCK_MONOTONIC, 0, 0, share_watch_on_timer,
                              watch);
    if (r >= 0)
        r = sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(watch);
    return 0;
}

ShareWatch *share_watch_free(ShareWatch *watch) {
    if (!watch)
        return NULL;
    sd_event_source_disable_unref(watch->source);
    sd_event_source_disable_unref(watch->pause);
    sd_event_source_disable_unref(watch->timer);
    close_fd(watch->fd);
    watch_set_free(watch->set);
    sd_event_unref(watch->event);
    free(watch);
    return NULL;
}

int share_watch_begin(ShareWatch *watch, WatchSet **ret) {
    int r = watch_set_new(watch->fd, ret);

    if (r < 0)
        return r;
    watch->walking = true;
    watch->changed = false;
    watch->began_at = time_monotonic();
    (void)sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    // This walk will see all changes so far, so drop their events.
    (void)share_watch_read_events(watch);
    (void)sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
    return 0;
}

// Logs a problem once when it begins and once when it ends.
static void share_watch_set_problem(ShareWatch *watch, const char *problem) {
    if (strcmp(watch->problem, problem) == 0)
        return;
    snprintf(watch->problem, sizeof(watch->problem), "%s", problem);
    if (*problem)
        log_event(LOG_WARNING, &(LogFields){.id = EVENT_NOT_WATCHED}, "%s", problem);
    else
        log_info("All shared directories are watched again");
}

static void share_watch_look_for_problem(ShareWatch *watch) {
    int error = watch_set_error(watch->set);
    char problem[sizeof(watch->problem)] = "";

    if (error == ENOSPC)
        snprintf(problem, sizeof(problem),
                 "Changes of shared files are looked for every %u minutes: "
                 "fs.inotify.max_user_watches is too low for their directories",
                 (unsigned)(RESCAN_USEC / USEC_PER_SEC / 60));
    else if (error != 0)
        snprintf(problem, sizeof(problem),
                 "Changes of shared files are looked for every %u minutes: cannot watch their "
                 "directories: %s",
                 (unsigned)(RESCAN_USEC / USEC_PER_SEC / 60), strerror(error));
    share_watch_set_problem(watch, problem);
}

void share_watch_end(ShareWatch *watch, WatchSet *set) {
    uint64_t now = time_monotonic();

    watch->walking = false;
    watch->rest_until = now + REST_FACTOR * (now - watch->began_at);
    if (set) {
        watch_set_replace(set, watch->set);
        watch_set_free(watch->set);
        watch->set = set;
        share_watch_look_for_problem(watch);
    }
    if (watch->changed) {
        watch->changed = false;
        share_watch_begin_settling(watch);
        return;
    }
    if (*watch->problem)
        share_watch_set_timer(watch, now + RESCAN_USEC);
    // Now read the events that came during the walk.
    (void)sd_event_source_set_enabled(watch->source, SD_EVENT_ON);
}

void share_watch_poke(ShareWatch *watch) {
    share_watch_begin_settling(watch);
}

const char *share_watch_problem(const ShareWatch *watch) {
    return watch->problem;
}
