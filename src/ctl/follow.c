// SPDX-License-Identifier: MIT

#include "ctl/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/properties.h"
#include "util/time-util.h"

enum {
    // For the answer to Cancel, or to a Download that was interrupted.
    CANCEL_TIMEOUT_SEC = 2,
};

// Not sd_event_exit(): that closes the bus, which the error message may still need.
static int finish(Follow *follow) {
    follow->over = true;
    return 0;
}

static const char *note_of(const TransferInfo *transfer) {
    const char *state = transfer->state ?: "searching";

    if (strcmp(state, "active") == 0)
        return NULL;
    if (strcmp(state, "waiting") == 0)
        return "waiting for a free slot";
    return transfer->transferred == 0 || transfer_info_is_over(transfer) ? state : NULL;
}

// The rate counts from the first byte, not from the search for who has it.
static double sample(Follow *follow) {
    const TransferInfo *transfer = &follow->transfer;

    if (!transfer->state || strcmp(transfer->state, "active") != 0)
        return 0;
    return progress_sample(&follow->progress, time_monotonic(), transfer->transferred);
}

static void show(Follow *follow) {
    const TransferInfo *transfer = &follow->transfer;
    double rate = sample(follow);
    const ProgressView view = {
        .name = follow->target ? follow->target->name : follow->name,
        .note = note_of(transfer),
        .size = transfer->size,
        .transferred = transfer->transferred,
        .rate = rate,
        .sources = strings_count(transfer->sources),
    };

    if (!follow->ctl->json)
        progress_show(&follow->progress, &view);
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Follow *follow = userdata;

    show(follow);
    (void) sd_event_source_set_time_relative(source, progress_interval(&follow->progress));
    (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

// Asks the daemon to stop, and waits for its answer, as the process is about to end.
static int cancel(Follow *follow) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    sd_bus *bus = follow->ctl->bus;
    int r;

    r = sd_bus_message_new_method_call(bus, &message, BUS_PEER_NAME, follow->path,
                                       BUS_TRANSFER_INTERFACE, "Cancel");
    if (r < 0)
        return r;
    return sd_bus_call(bus, message, CANCEL_TIMEOUT_SEC * USEC_PER_SEC, NULL, NULL);
}

// The properties have changed.
static void advance(Follow *follow) {
    const TransferInfo *transfer = &follow->transfer;
    bool over = transfer_info_is_over(transfer);

    if (follow->target && transfer_info_is_known(transfer) &&
        target_set_record(follow->target, transfer->name, transfer->type) < 0) {
        follow->target_failed = true;
        if (!over)
            (void) cancel(follow);
        over = true;
    }
    if (over)
        finish(follow);
    else if (follow->progress.n_samples == 0)
        (void) sample(follow);
}

static int on_all_properties(sd_bus_message *reply, void *userdata,
                             sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    int r;

    follow->get_all = sd_bus_slot_unref(follow->get_all);
    if (error) {
        r = sd_bus_error_copy(&follow->error, error);
        follow->r = r < 0 ? r : -EIO;
        return finish(follow);
    }
    r = transfer_info_read(reply, &follow->transfer);
    if (r < 0) {
        follow->r = r;
        return finish(follow);
    }
    advance(follow);
    return 0;
}

static int ask_for_all(Follow *follow) {
    if (follow->get_all)
        return 0;
    return sd_bus_call_method_async(follow->ctl->bus, &follow->get_all, BUS_PEER_NAME, follow->path,
                                    "org.freedesktop.DBus.Properties", "GetAll", on_all_properties,
                                    follow, "s", BUS_TRANSFER_INTERFACE);
}

// Anybody on the bus may send us a signal, and a match by name does not keep it out. Replies cannot be
// forged: who answered Download is the daemon.
static bool is_from(const char *who, sd_bus_message *message) {
    const char *sender = sd_bus_message_get_sender(message);

    // A connection without a bus (-H to a bridge that is none) has no senders.
    return !sender || (who && strcmp(sender, who) == 0);
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;
    const char *interface;
    int r;

    if (!is_from(follow->daemon, message))
        return 0;

    // What comes before the first GetAll has been answered is in that answer.
    if (!follow->path || !follow->transfer.state ||
        strcmp(sd_bus_message_get_path(message), follow->path) != 0)
        return 0;
    r = sd_bus_message_read_basic(message, 's', &interface);
    if (r < 0 || strcmp(interface, BUS_TRANSFER_INTERFACE) != 0)
        return 0;
    r = transfer_info_read(message, &follow->transfer);
    if (r >= 0)
        r = sd_bus_message_enter_container(message, 'a', "s");
    if (r >= 0 && sd_bus_message_at_end(message, false) == 0) // some are only said to be different
        r = ask_for_all(follow);
    if (r < 0) {
        follow->r = r;
        return finish(follow);
    }
    advance(follow);
    return 0;
}

// The transfer has gone. Its state is known by then, unless signals have been lost.
static int on_removed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;
    const char *path;
    uint32_t id;

    if (!is_from(follow->daemon, message) || sd_bus_message_read(message, "uo", &id, &path) < 0 ||
        !follow->path || strcmp(path, follow->path) != 0)
        return 0;
    follow->lost = true;
    return finish(follow);
}

static int on_owner_changed(sd_bus_message *message, void *userdata,
                            sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;
    const char *name, *old_owner, *new_owner;

    if (!is_from("org.freedesktop.DBus", message) ||
        sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0 || !*old_owner)
        return 0;
    follow->lost = true;
    return finish(follow);
}

static int on_disconnected(sd_bus_message *message _unused_, void *userdata,
                           sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;

    follow->lost = true;
    return finish(follow);
}

// Ctrl-C goes to the ssh of -H as well: then the connection has gone, and another one must carry
// the Cancel.
static void cancel_after_signal(Follow *follow) {
    Ctl *ctl = follow->ctl;
    int r = cancel(follow);

    if (r < 0 && ctl->host && !sd_bus_is_open(ctl->bus)) {
        ctl->bus = sd_bus_close_unref(ctl->bus);
        r = sd_bus_open_system_remote(&ctl->bus, ctl->host);
        if (r >= 0)
            r = cancel(follow);
    }
    follow->lost = r < 0 && r != -ENOENT;
}

static int on_download_reply(sd_bus_message *reply, void *userdata,
                             sd_bus_error *ret_error _unused_) {
    Follow *follow = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    const char *path;
    int r;

    if (error) {
        follow->r = -sd_bus_message_get_errno(reply);
        r = sd_bus_error_copy(&follow->error, error);
        return finish(follow);
    }
    r = sd_bus_message_read_basic(reply, 'o', &path);
    if (r >= 0)
        r = (follow->path = strdup(path)) ? 0 : -ENOMEM;
    if (r >= 0 && sd_bus_message_get_sender(reply))
        r = (follow->daemon = strdup(sd_bus_message_get_sender(reply))) ? 0 : -ENOMEM;
    if (r >= 0 && follow->signal > 0) {
        cancel_after_signal(follow);
        return finish(follow);
    }
    if (r >= 0)
        r = ask_for_all(follow);
    if (r < 0) {
        follow->r = r;
        return finish(follow);
    }
    return 0;
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
    Follow *follow = userdata;

    follow->lost = true;
    return finish(follow);
}

static int on_signal(sd_event_source *source _unused_, const struct signalfd_siginfo *info,
                     void *userdata) {
    Follow *follow = userdata;
    bool again = follow->signal > 0;

    follow->signal = (int) info->ssi_signo;
    if (again)
        return finish(follow);
    if (follow->path) {
        progress_clear(&follow->progress);
        cancel_after_signal(follow);
        return finish(follow);
    }
    // The transfer may exist, but its name is still on its way.
    if (sd_event_add_time_relative(follow->event, &follow->deadline, CLOCK_MONOTONIC,
                                   CANCEL_TIMEOUT_SEC * USEC_PER_SEC, 0, on_deadline, follow) < 0)
        return finish(follow);
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
                         on_changed, follow);
    if (r < 0)
        return r;
    r = sd_bus_match_signal(bus, &follow->removed, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE,
                            "TransferRemoved", on_removed, follow);
    if (r < 0)
        return r;
    r = sd_bus_add_match(bus, &follow->owner,
                         "type='signal',sender='org.freedesktop.DBus',"
                         "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                         "member='NameOwnerChanged',arg0='" BUS_PEER_NAME "'",
                         on_owner_changed, follow);
    if (r < 0)
        return r;
    return sd_bus_match_signal(bus, &follow->disconnected, "org.freedesktop.DBus.Local",
                               "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                               "Disconnected", on_disconnected, follow);
}

static int append_option(sd_bus_message *message, const char *name, const char *type,
                         const void *value) {
    int r;

    r = sd_bus_message_open_container(message, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', name);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', type);
    if (r >= 0)
        r = sd_bus_message_append_basic(message, type[0], value);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_options(Follow *follow, sd_bus_message *message) {
    const DownloadOptions *options = &follow->ctl->download;
    int r;

    r = sd_bus_message_open_container(message, 'a', "{sv}");
    if (r >= 0 && options->type)
        r = append_option(message, "type", "s", options->type);
    if (r >= 0 && options->size_set)
        r = append_option(message, "size", "t", &options->size);
    if (r >= 0 && options->address)
        r = append_option(message, "address", "s", options->address);
    if (r >= 0 && options->port > 0)
        r = append_option(message, "port", "q", &options->port);
    if (r >= 0 && follow->target)
        r = append_option(message, "destination", "h", &follow->target->fd);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int call_download(Follow *follow) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    sd_bus *bus = follow->ctl->bus;
    int r;

    r = sd_bus_message_new_method_call(bus, &message, BUS_PEER_NAME, BUS_PEER_PATH,
                                       BUS_PEER_INTERFACE, "Download");
    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', follow->name);
    if (r >= 0)
        r = append_options(follow, message);
    if (r < 0)
        return r;
    return sd_bus_call_async(bus, &follow->call, message, on_download_reply, follow, 0);
}

static int add_signals(Follow *follow) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
        sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    // A reader of our progress that goes away must not leave the .part behind.
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        int r =
            sd_event_add_signal(follow->event, &follow->signals[i], numbers[i], on_signal, follow);

        if (r < 0)
            return r;
        // Before the bus: -H loses its ssh by the same Ctrl-C.
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
        r = add_signals(follow);
    if (r >= 0)
        r = sd_bus_attach_event(follow->ctl->bus, follow->event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0)
        return r;
    follow->progress = progress_begin(follow->ctl);
    follow->begun = time_monotonic();
    r = sd_event_add_time_relative(follow->event, &follow->ticker, CLOCK_MONOTONIC,
                                   progress_interval(&follow->progress), 0, on_tick, follow);
    if (r >= 0)
        r = call_download(follow);
    if (r < 0)
        return r;
    while (!follow->over && r >= 0)
        r = sd_event_run(follow->event, UINT64_MAX);
    progress_clear(&follow->progress);
    return r < 0 ? r : 0;
}

void follow_clear(Follow *follow) {
    sd_bus_slot_unref(follow->changed);
    sd_bus_slot_unref(follow->removed);
    sd_bus_slot_unref(follow->owner);
    sd_bus_slot_unref(follow->disconnected);
    sd_bus_slot_unref(follow->call);
    sd_bus_slot_unref(follow->get_all);
    sd_event_source_unref(follow->ticker);
    sd_event_source_unref(follow->deadline);
    for (size_t i = 0; i < ELEMENTSOF(follow->signals); i++)
        sd_event_source_unref(follow->signals[i]);
    if (follow->ctl->bus)
        (void) sd_bus_detach_event(follow->ctl->bus);
    sd_event_unref(follow->event);
    transfer_info_clear(&follow->transfer);
    sd_bus_error_free(&follow->error);
    free(follow->path);
    free(follow->daemon);
}
