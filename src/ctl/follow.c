// SPDX-License-Identifier: MIT

#include "ctl/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "util/time-util.h"

enum {
    // Each fetch holds an open file here and in the daemon, and has a line on the terminal. A bus
    // queues at most 64 open files for a connection.
    FETCHES_AT_ONCE = 32,
    // For the answers to Cancel, or to a Download that was interrupted.
    CANCEL_TIMEOUT_SEC = 2,
};

static bool follow_is_running(const Fetch *fetch) {
    return fetch->begun > 0 && !fetch->over;
}

static bool follow_all_over(const Follow *follow) {
    return follow->n_over == follow->n_begun &&
           (follow->signal > 0 || follow->n_begun == follow->n);
}

static void follow_show(Follow *follow) {
    ProgressView views[FETCHES_AT_ONCE];
    size_t n = 0;

    if (follow->ctl->json || follow->signal > 0)
        return;
    for (size_t i = 0; i < follow->n_begun; i++)
        if (follow->fetches[i]->asking) // perhaps on this terminal
            return;
    for (size_t i = 0; i < follow->n_begun && n < FETCHES_AT_ONCE; i++)
        if (follow_is_running(follow->fetches[i]))
            views[n++] = fetch_view(follow->fetches[i]);
    progress_show(&follow->progress, views, n);
}

static int follow_on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Follow *follow = userdata;

    follow_show(follow);
    (void)sd_event_source_set_time_relative(source, progress_interval(&follow->progress));
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void follow_begin_one(Follow *follow, Fetch *fetch) {
    int r;

    // Counted first, because a fetch that fails here is over here.
    follow->n_begun++;
    fetch->begun = time_monotonic();
    progress_clear(&follow->progress);
    if (follow->prepare(fetch) < 0) {
        fetch->over = true;
        follow->n_over++;
        return;
    }
    r = fetch_begin(fetch);
    if (r < 0) {
        fetch->r = r;
        fetch_end(fetch);
    }
}

// Whether this user is known to have the permission to download. Until then, only one call is made,
// so that the user is asked for a password once.
static bool follow_is_allowed(const Follow *follow) {
    for (size_t i = 0; i < follow->n_begun; i++)
        if (follow->fetches[i]->path)
            return true;
    return follow->n_begun == follow->n_over;
}

static void follow_begin_more(Follow *follow) {
    while (follow->signal == 0 && follow->n_begun < follow->n && follow_is_allowed(follow) &&
           follow->n_begun - follow->n_over < FETCHES_AT_ONCE)
        follow_begin_one(follow, follow->fetches[follow->n_begun]);
}

static void follow_on_over(Fetch *fetch) {
    Follow *follow = fetch->userdata;

    follow->n_over++;
    // A download that was complete before the signal counts as done.
    if (follow->signal > 0 && !transfer_info_is(&fetch->transfer, "done"))
        return;
    progress_clear(&follow->progress);
    follow->conclude(fetch);
}

static int follow_on_changed(sd_bus_message *message, void *userdata,
                             sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;

    for (size_t i = 0; i < follow->n_begun; i++)
        fetch_take_change(follow->fetches[i], message);
    return 0;
}

static int follow_on_removed(sd_bus_message *message, void *userdata,
                             sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;

    for (size_t i = 0; i < follow->n_begun; i++)
        fetch_take_removal(follow->fetches[i], message);
    return 0;
}

// Without the daemon, the fetches that have not started fail as well.
static void follow_lose_all(Follow *follow) {
    for (size_t i = 0; i < follow->n; i++) {
        Fetch *fetch = follow->fetches[i];

        if (i == follow->n_begun && follow->signal == 0) {
            follow->n_begun++;
            fetch->begun = time_monotonic();
        }
        follow->unconfirmed |= follow->signal > 0 && follow_is_running(fetch) && !fetch->cancelled;
        if (follow_is_running(fetch))
            fetch_lose(fetch);
    }
}

static int follow_on_owner_changed(sd_bus_message *message, void *userdata,
                                   sd_bus_error *ret_error _unused_) {
    const char *name, *old_owner, *new_owner, *sender = sd_bus_message_get_sender(message);

    if ((sender && strcmp(sender, "org.freedesktop.DBus") != 0) ||
        sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0 || !*old_owner)
        return 0;
    follow_lose_all(userdata);
    return 0;
}

static int follow_on_disconnected(sd_bus_message *message _unused_, void *userdata,
                                  sd_bus_error *ret_error _unused_) {
    follow_lose_all(userdata);
    return 0;
}

// Ctrl-C also ends the ssh of -H. Then this connection is closed, and a new one carries the Cancel.
static int follow_cancel_elsewhere(Follow *follow, Fetch *fetch, uint64_t deadline) {
    Ctl *ctl = follow->ctl;
    int r;

    ctl->bus = sd_bus_close_unref(ctl->bus);
    r = sd_bus_open_system_remote(&ctl->bus, ctl->host);
    if (r >= 0)
        r = fetch_cancel(fetch, deadline);
    // No match of this fetch exists on the new connection.
    fetch_end(fetch);
    return r;
}

// Cancels the fetches whose object path is known by now. They are over when the daemon has closed
// their files, so that the user can repeat the command at once.
static void follow_cancel_known(Follow *follow, uint64_t deadline) {
    for (size_t i = 0; i < follow->n_begun; i++) {
        Fetch *fetch = follow->fetches[i];
        int r;

        if (!follow_is_running(fetch) || !fetch->path || fetch->cancelled)
            continue;
        r = fetch_cancel(fetch, deadline);
        if (r < 0 && follow->ctl->host && !sd_bus_is_open(follow->ctl->bus))
            r = follow_cancel_elsewhere(follow, fetch, deadline);
        if (r >= 0)
            continue;
        follow->unconfirmed |= r != -ENOENT;
        fetch_end(fetch);
    }
}

static int follow_on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_,
                              void *userdata) {
    Follow *follow = userdata;

    for (size_t i = 0; i < follow->n_begun; i++) {
        Fetch *fetch = follow->fetches[i];

        follow->unconfirmed |= follow_is_running(fetch) && !fetch->cancelled;
        fetch_end(fetch);
    }
    return 0;
}

static int follow_on_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                            void *userdata) {
    Follow *follow = userdata;

    if (follow->signal > 0)
        return follow_on_deadline(source, 0, follow);
    progress_clear(&follow->progress);
    follow->signal = (int)info->ssi_signo;
    // Waits for the object paths of the others, which are still on their way.
    if (sd_event_add_time_relative(follow->event, &follow->deadline, CLOCK_MONOTONIC,
                                   CANCEL_TIMEOUT_SEC * USEC_PER_SEC, 0, follow_on_deadline,
                                   follow) < 0)
        return follow_on_deadline(source, 0, follow);
    return 0;
}

int follow_subscribe(Follow *follow) {
    sd_bus *bus = follow->ctl->bus;
    int r;

    r = sd_bus_add_match(bus, &follow->changed,
                         "type='signal',sender='" BUS_PEER_NAME "',"
                         "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                         "path_namespace='" BUS_TRANSFER_PREFIX "',arg0='" BUS_TRANSFER_INTERFACE
                         "'",
                         follow_on_changed, follow);
    if (r < 0)
        return r;
    r = sd_bus_match_signal(bus, &follow->removed, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE,
                            "TransferRemoved", follow_on_removed, follow);
    if (r < 0)
        return r;
    r = sd_bus_add_match(bus, &follow->owner,
                         "type='signal',sender='org.freedesktop.DBus',"
                         "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                         "member='NameOwnerChanged',arg0='" BUS_PEER_NAME "'",
                         follow_on_owner_changed, follow);
    if (r < 0)
        return r;
    return sd_bus_match_signal(bus, &follow->disconnected, "org.freedesktop.DBus.Local",
                               "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                               "Disconnected", follow_on_disconnected, follow);
}

static int follow_add_signals(Follow *follow) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
        sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    // p2pctl must cancel its transfers even if the reader of its progress ends.
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        int r = sd_event_add_signal(follow->event, &follow->signals[i], numbers[i],
                                    follow_on_signal, follow);

        if (r < 0)
            return r;
        // Handled before the bus, since the same Ctrl-C ends the ssh of -H.
        r = sd_event_source_set_priority(follow->signals[i], SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
            return r;
    }
    return 0;
}

int follow_run(Follow *follow) {
    int r;

    r = sd_event_new(&follow->event);
    if (r >= 0)
        r = follow_add_signals(follow);
    if (r >= 0)
        r = sd_bus_attach_event(follow->ctl->bus, follow->event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0)
        return r;
    follow->progress = progress_begin(follow->ctl);
    r = sd_event_add_time_relative(follow->event, &follow->ticker, CLOCK_MONOTONIC,
                                   progress_interval(&follow->progress), 0, follow_on_tick, follow);
    for (size_t i = 0; i < follow->n; i++) {
        follow->fetches[i]->on_over = follow_on_over;
        follow->fetches[i]->userdata = follow;
    }
    // Done here, since the bus still uses a fetch when it reports its end.
    while (r >= 0) {
        follow_begin_more(follow);
        if (follow->signal > 0)
            follow_cancel_known(follow, time_monotonic() + CANCEL_TIMEOUT_SEC * USEC_PER_SEC);
        if (follow_all_over(follow))
            break;
        r = sd_event_run(follow->event, UINT64_MAX);
    }
    progress_clear(&follow->progress);
    return r < 0 ? r : 0;
}

void follow_clear(Follow *follow) {
    sd_bus_slot_unref(follow->changed);
    sd_bus_slot_unref(follow->removed);
    sd_bus_slot_unref(follow->owner);
    sd_bus_slot_unref(follow->disconnected);
    sd_event_source_unref(follow->ticker);
    sd_event_source_unref(follow->deadline);
    for (size_t i = 0; i < ELEMENTSOF(follow->signals); i++)
        sd_event_source_unref(follow->signals[i]);
    if (follow->ctl->bus)
        (void)sd_bus_detach_event(follow->ctl->bus);
    sd_event_unref(follow->event);
}
