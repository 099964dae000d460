// SPDX-License-Identifier: MIT

// monitor: prints a line for each change of state of the peer and its transfers, until Ctrl-C.
//
// The signal of a transfer only says that something is different. So monitor prints the difference
// between the list of transfers now and before. Then the order of signals does not matter, and
// nothing is missed or printed twice. The state of the peer is printed from its signal, because
// leaving and joining again may be faster than looking.

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/transfer-info.h"
#include "ctl/verbs.h"

typedef struct Monitor {
    Ctl *ctl;
    sd_event *event;
    sd_bus_slot *signals, *owner, *disconnected;
    sd_event_source *interrupt, *terminate, *refresh;
    PeerInfo peer;          // as reported last
    char *peer_state;       // as printed last: "state reason"; NULL: the daemon is not running
    TransferList transfers; // as printed last
} Monitor;

enum {
    // Each transfer sends signals a few times a second, so collect them before looking.
    REFRESH_MSEC = 100,
};

static void verb_monitor_clear(Monitor *monitor) {
    sd_bus_slot_unref(monitor->signals);
    sd_bus_slot_unref(monitor->owner);
    sd_bus_slot_unref(monitor->disconnected);
    sd_event_source_unref(monitor->interrupt);
    sd_event_source_unref(monitor->terminate);
    sd_event_source_unref(monitor->refresh);
    if (monitor->ctl->bus)
        (void)sd_bus_detach_event(monitor->ctl->bus);
    sd_event_unref(monitor->event);
    peer_info_clear(&monitor->peer);
    free(monitor->peer_state);
    transfer_list_clear(&monitor->transfers);
}

// Prints one event as a document or a line. Takes `object`, which may be NULL.
static void verb_monitor_print_event(const Monitor *monitor, const char *event, json_t *object,
                                     const char *text) {
    time_t now = time(NULL);
    char clock[FORMAT_MAX];
    struct tm tm;

    if (monitor->ctl->json) {
        json_t *document = document_new();

        json_object_set_new(document, "time", json_integer(now));
        json_object_set_new(document, "event", json_string(event));
        if (object)
            json_object_set_new(document, event, object);
        (void)document_print_line(monitor->ctl, document);
    } else {
        json_decref(object);
        if (localtime_r(&now, &tm) && strftime(clock, sizeof(clock), "%H:%M:%S", &tm) > 0)
            printf("%s  ", clock);
        print_escaped(stdout, "%s", text);
        putchar('\n');
    }
    fflush(stdout);
}

static char *verb_monitor_describe_transfer(const TransferInfo *transfer) {
    _cleanup_free_ char *name = transfer_info_file_name(transfer);
    _cleanup_free_ char *details = transfer_info_details(transfer);
    char size[FORMAT_MAX] = "", *text;

    if (!name || !details)
        return NULL;
    if (transfer->size > 0)
        format_size(transfer->size, size);
    if (asprintf(&text, "%s %u, %s: %s%s%s%s%s", transfer->direction, transfer->id, name,
                 transfer->state, *size ? ", " : "", size, *details ? ", " : "", details) < 0)
        return NULL;
    return text;
}

static const TransferInfo *verb_monitor_find(const TransferList *list, uint32_t id) {
    for (size_t i = 0; i < list->n; i++)
        if (list->transfers[i].id == id)
            return &list->transfers[i];
    return NULL;
}

// Takes the new list, and prints new states. Progress alone is no event.
static void verb_monitor_update_transfers(Monitor *monitor, TransferList *list) {
    for (size_t i = 0; i < list->n; i++) {
        const TransferInfo *transfer = &list->transfers[i];
        const TransferInfo *before = verb_monitor_find(&monitor->transfers, transfer->id);
        _cleanup_free_ char *text = NULL;

        if (before && strcmp(before->state, transfer->state) == 0)
            continue;
        text = verb_monitor_describe_transfer(transfer);
        if (text)
            verb_monitor_print_event(monitor, "transfer", transfer_info_json(transfer), text);
    }
    transfer_list_clear(&monitor->transfers);
    monitor->transfers = *list;
    *list = (TransferList){};
}

static void verb_monitor_update_peer(Monitor *monitor) {
    const PeerInfo *peer = &monitor->peer;
    _cleanup_free_ char *text = peer_info_describe(peer), *state = NULL;

    if (!text || asprintf(&state, "%s %s", peer->state, peer->reason) < 0) {
        state = NULL;
        return;
    }
    if (monitor->peer_state && strcmp(monitor->peer_state, state) == 0)
        return;
    free(monitor->peer_state);
    monitor->peer_state = TAKE_PTR(state);
    verb_monitor_print_event(monitor, "peer", peer_info_json(peer), text);
}

static int verb_monitor_update(Monitor *monitor, sd_bus_error *error) {
    _cleanup_(transfer_list_clear) TransferList list = {};
    PeerInfo peer;
    int r;

    r = peer_info_get(monitor->ctl->bus, &peer, error);
    if (r < 0)
        return r;
    peer_info_clear(&monitor->peer);
    monitor->peer = peer;
    verb_monitor_update_peer(monitor);
    r = transfer_list_get(monitor->ctl->bus, &list, error);
    if (r < 0)
        return r;
    verb_monitor_update_transfers(monitor, &list);
    return 0;
}

static int verb_monitor_on_refresh(sd_event_source *source _unused_, uint64_t usec _unused_,
                                   void *userdata) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

    // If the daemon has just stopped, NameOwnerChanged reports it.
    (void)verb_monitor_update(userdata, &error);
    return 0;
}

static void verb_monitor_take_peer_change(Monitor *monitor, sd_bus_message *message) {
    const char *interface;

    if (monitor->peer_state && sd_bus_message_read_basic(message, 's', &interface) >= 0 &&
        strcmp(interface, BUS_PEER_INTERFACE) == 0 && peer_info_read(message, &monitor->peer) >= 0)
        verb_monitor_update_peer(monitor);
}

static int verb_monitor_on_change(sd_bus_message *message, void *userdata,
                                  sd_bus_error *ret_error _unused_) {
    Monitor *monitor = userdata;
    int enabled = SD_EVENT_OFF;

    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties", "PropertiesChanged") >
        0)
        verb_monitor_take_peer_change(monitor, message);

    (void)sd_event_source_get_enabled(monitor->refresh, &enabled);
    if (enabled == SD_EVENT_OFF) {
        (void)sd_event_source_set_time_relative(monitor->refresh, REFRESH_MSEC * USEC_PER_MSEC);
        (void)sd_event_source_set_enabled(monitor->refresh, SD_EVENT_ONESHOT);
    }
    return 0;
}

static int verb_monitor_on_owner_changed(sd_bus_message *message, void *userdata,
                                         sd_bus_error *ret_error) {
    Monitor *monitor = userdata;
    const char *name, *old_owner, *new_owner;

    if (sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner) < 0)
        return 0;
    if (*new_owner)
        return verb_monitor_on_change(message, userdata, ret_error);
    // There is no daemon to ask.
    (void)sd_event_source_set_enabled(monitor->refresh, SD_EVENT_OFF);
    free(monitor->peer_state);
    monitor->peer_state = NULL;
    transfer_list_clear(&monitor->transfers);
    verb_monitor_print_event(monitor, "gone", NULL, "p2p-peer has stopped");
    return 0;
}

static int verb_monitor_on_disconnected(sd_bus_message *message _unused_, void *userdata,
                                        sd_bus_error *ret_error _unused_) {
    Monitor *monitor = userdata;

    return sd_event_exit(monitor->event, -ECONNRESET);
}

static int verb_monitor_subscribe(Monitor *monitor) {
    sd_bus *bus = monitor->ctl->bus;
    int r;

    r = sd_bus_add_match(bus, &monitor->signals,
                         "type='signal',sender='" BUS_PEER_NAME "',"
                         "path_namespace='" BUS_PEER_PATH "'",
                         verb_monitor_on_change, monitor);
    if (r >= 0)
        r = sd_bus_add_match(bus, &monitor->owner,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" BUS_PEER_NAME "'",
                             verb_monitor_on_owner_changed, monitor);
    if (r >= 0)
        r = sd_bus_match_signal(bus, &monitor->disconnected, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", verb_monitor_on_disconnected, monitor);
    return r;
}

static int verb_monitor_add_sources(Monitor *monitor) {
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    r = sd_event_add_time_relative(monitor->event, &monitor->refresh, CLOCK_MONOTONIC, 0, 0,
                                   verb_monitor_on_refresh, monitor);
    if (r >= 0)
        r = sd_event_source_set_enabled(monitor->refresh, SD_EVENT_OFF);
    // A signal without a handler ends the loop.
    if (r >= 0)
        r = sd_event_add_signal(monitor->event, &monitor->interrupt, SIGINT, NULL, NULL);
    if (r >= 0)
        r = sd_event_add_signal(monitor->event, &monitor->terminate, SIGTERM, NULL, NULL);
    if (r >= 0)
        r = sd_event_source_set_priority(monitor->interrupt, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_bus_attach_event(monitor->ctl->bus, monitor->event, SD_EVENT_PRIORITY_NORMAL);
    return r;
}

ExitStatus verb_monitor(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(verb_monitor_clear) Monitor monitor = {.ctl = ctl};
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = verb_monitor_subscribe(&monitor);
    if (r >= 0)
        r = verb_monitor_update(&monitor, &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    r = sd_event_new(&monitor.event);
    if (r >= 0)
        r = verb_monitor_add_sources(&monitor);
    if (r < 0)
        return fail_errno(r, "cannot monitor");
    r = sd_event_loop(monitor.event);
    return r < 0 ? bus_failed(ctl, &SERVICE_PEER, &error, r) : STATUS_DONE;
}
