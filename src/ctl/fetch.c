// SPDX-License-Identifier: MIT

#include "ctl/fetch.h"

#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "ctl/await.h"
#include "ctl/bus-call.h"
#include "ctl/properties.h"
#include "util/time-util.h"

enum {
    // An answer of FT is late after this time. A download that has not started by then shows in its
    // state what happens to it.
    START_TIMEOUT_SEC = 5,
};

void fetch_end(Fetch *fetch) {
    if (fetch->over)
        return;
    fetch->over = true;
    fetch->ended = time_monotonic();
    fetch->call = sd_bus_slot_unref(fetch->call);
    fetch->get_all = sd_bus_slot_unref(fetch->get_all);
    fetch->on_over(fetch);
}

static void fetch_fail(Fetch *fetch, int r) {
    fetch->r = r;
    fetch_end(fetch);
}

void fetch_lose(Fetch *fetch) {
    fetch->lost = true;
    fetch_end(fetch);
}

bool fetch_has_stopped(const Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;

    return transfer_info_is_over(transfer) ||
           (transfer_info_is(transfer, "paused") && *transfer->error);
}

bool fetch_can_resume(const Fetch *fetch) {
    return fetch->file->first->has_root;
}

// Finds out how many bytes an earlier attempt has left. This is known when p2p-peer has checked the
// part, unless it has fetched something before. After a pause it checks the part as well.
static void fetch_note_resumed(Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;
    bool paused = transfer_info_is(transfer, "paused");

    if (fetch->checked || fetch->fetching)
        return;
    if (transfer_info_is(transfer, "checking"))
        fetch->checking = true;
    else if (fetch->checking && paused)
        fetch->checking = false; // the check starts again
    else if (fetch->checking) {
        fetch->checked = true;
        fetch->resumed = transfer->transferred;
    } else
        fetch->fetching =
            transfer->transferred > 0 && (paused || transfer_info_is(transfer, "active"));
}

// Called when properties have changed.
static void fetch_advance(Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;

    fetch_note_resumed(fetch);
    // The rate counts from the first byte, not from the search for sources.
    if (transfer_info_is(transfer, "active") && fetch->rate.n_samples == 0)
        (void)progress_sample(&fetch->rate, time_monotonic(), transfer->transferred);
    if (fetch_has_stopped(fetch))
        fetch_end(fetch);
}

static int fetch_on_all_properties(sd_bus_message *reply, void *userdata,
                                   sd_bus_error *ret_error _unused_) {
    Fetch *fetch = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    int r;

    fetch->get_all = sd_bus_slot_unref(fetch->get_all);
    if (error) {
        r = sd_bus_error_copy(&fetch->error, error);
        fetch_fail(fetch, r < 0 ? r : -EIO);
        return 0;
    }
    r = transfer_info_read(reply, &fetch->transfer);
    if (r < 0)
        fetch_fail(fetch, r);
    else
        fetch_advance(fetch);
    return 0;
}

static int fetch_ask_for_all(Fetch *fetch) {
    if (fetch->get_all)
        return 0;
    return sd_bus_call_method_async(fetch->ctl->bus, &fetch->get_all, BUS_PEER_NAME, fetch->path,
                                    "org.freedesktop.DBus.Properties", "GetAll",
                                    fetch_on_all_properties, fetch, "s", BUS_TRANSFER_INTERFACE);
}

static int fetch_take_reply(Fetch *fetch, sd_bus_message *reply) {
    const char *path, *sender = sd_bus_message_get_sender(reply);
    int r;

    r = sd_bus_message_read_basic(reply, 'o', &path);
    if (r < 0)
        return r;
    fetch->path = strdup(path);
    if (!fetch->path)
        return -ENOMEM;
    if (!sender)
        return 0;
    fetch->daemon = strdup(sender);
    return fetch->daemon ? 0 : -ENOMEM;
}

static int fetch_send_call(Fetch *fetch);

static int fetch_on_download_reply(sd_bus_message *reply, void *userdata,
                                   sd_bus_error *ret_error _unused_) {
    Fetch *fetch = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    bool asked = fetch->asking;
    int r;

    fetch->asking = false;
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) && !asked &&
        ctl_may_ask(fetch->ctl)) {
        fetch->asking = true;
        r = fetch_send_call(fetch);
        if (r < 0)
            fetch_fail(fetch, r);
        return 0;
    }
    if (error) {
        (void)sd_bus_error_copy(&fetch->error, error);
        fetch_fail(fetch, -sd_bus_message_get_errno(reply));
        return 0;
    }
    r = fetch_take_reply(fetch, reply);
    if (r >= 0)
        r = fetch_ask_for_all(fetch);
    if (r < 0)
        fetch_fail(fetch, r);
    return 0;
}

// Any program on the bus can send us a signal, even one that matches by name. It cannot forge a
// reply, so the sender of the Download reply is the daemon.
static bool fetch_is_from_daemon(const Fetch *fetch, sd_bus_message *message) {
    const char *sender = sd_bus_message_get_sender(message);

    // Messages have no sender if -H leads to a bridge that is not a bus.
    return !sender || (fetch->daemon && strcmp(sender, fetch->daemon) == 0);
}

void fetch_take_change(Fetch *fetch, sd_bus_message *message) {
    const char *interface;
    int r;

    // The answer of the first GetAll contains all earlier changes.
    if (fetch->over || !fetch->path || !fetch->transfer.state ||
        strcmp(sd_bus_message_get_path(message), fetch->path) != 0 ||
        !fetch_is_from_daemon(fetch, message))
        return;
    r = sd_bus_message_read_basic(message, 's', &interface);
    if (r < 0 || strcmp(interface, BUS_TRANSFER_INTERFACE) != 0)
        return;
    r = transfer_info_read(message, &fetch->transfer);
    if (r >= 0)
        r = sd_bus_message_enter_container(message, 'a', "s");
    // Some properties come without their values.
    if (r >= 0 && sd_bus_message_at_end(message, false) == 0)
        r = fetch_ask_for_all(fetch);
    if (r < 0)
        fetch_fail(fetch, r);
    else
        fetch_advance(fetch);
}

// The transfer no longer exists. Its result is known by now, unless a signal was lost.
void fetch_take_removal(Fetch *fetch, sd_bus_message *message) {
    const char *path;
    uint32_t id;

    if (fetch->over || !fetch->path || !fetch_is_from_daemon(fetch, message))
        return;
    if (sd_bus_message_rewind(message, true) >= 0 &&
        sd_bus_message_read(message, "uo", &id, &path) >= 0 && strcmp(path, fetch->path) == 0)
        fetch_lose(fetch);
}

int fetch_cancel(Fetch *fetch, uint64_t deadline) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    sd_bus *bus = fetch->ctl->bus;
    uint64_t now = time_monotonic();
    int r;

    r = sd_bus_message_new_method_call(bus, &message, BUS_PEER_NAME, fetch->path,
                                       BUS_TRANSFER_INTERFACE, "Cancel");
    if (r < 0)
        return r;
    // 0 would mean the default timeout of sd-bus.
    r = sd_bus_call(bus, message, now < deadline ? deadline - now : 1, &error, NULL);
    if (sd_bus_error_has_name(&error, BUS_ERROR_NO_SUCH_TRANSFER))
        r = 0;
    fetch->cancelled = r >= 0;
    return r;
}

static int fetch_append_option(sd_bus_message *message, const char *name, const char *type,
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

// Names the file by its root or, if it has none, by what its record says.
static int fetch_append_file(const Fetch *fetch, sd_bus_message *message) {
    const Found *record = fetch->file->first;
    char root[MERKLE_TEXT_BYTES + 1];
    int r;

    if (record->has_root) {
        file_format_root(fetch->file, MERKLE_TEXT_BYTES, root);
        return fetch_append_option(message, "root", "s", root);
    }
    r = fetch_append_option(message, "type", "s", record->type);
    return r < 0 ? r : fetch_append_option(message, "size", "t", &record->size);
}

static int fetch_append_options(const Fetch *fetch, sd_bus_message *message) {
    const DownloadRequest *options = &fetch->ctl->download;
    int r;

    r = sd_bus_message_open_container(message, 'a', "{sv}");
    if (r >= 0)
        r = fetch_append_file(fetch, message);
    if (r >= 0 && options->address)
        r = fetch_append_option(message, "address", "s", options->address);
    if (r >= 0 && options->port > 0)
        r = fetch_append_option(message, "port", "q", &options->port);
    if (r >= 0 && fetch->target)
        r = fetch_append_option(message, "destination", "h", &fetch->target->fd);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fetch_make_call(void *userdata, sd_bus_message **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    Fetch *fetch = userdata;
    int r;

    fetch->begun = time_monotonic();
    r = sd_bus_message_new_method_call(fetch->ctl->bus, &message, BUS_PEER_NAME, BUS_PEER_PATH,
                                       BUS_PEER_INTERFACE, "Download");
    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', fetch->name);
    if (r >= 0)
        r = fetch_append_options(fetch, message);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(message);
    return 0;
}

static int fetch_send_call(Fetch *fetch) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    int r;

    fetch->call = sd_bus_slot_unref(fetch->call);
    r = fetch_make_call(fetch, &message);
    if (r >= 0 && fetch->asking)
        r = sd_bus_message_set_allow_interactive_authorization(message, true);
    return r < 0
               ? r
               : sd_bus_call_async(fetch->ctl->bus, &fetch->call, message, fetch_on_download_reply,
                                   fetch, fetch->asking ? UINT64_MAX : 0);
}

int fetch_begin(Fetch *fetch) {
    return fetch_send_call(fetch);
}

// Whether the daemon has found sources and decided where the file goes, or why it cannot.
static bool fetch_is_under_way(const TransferInfo *transfer) {
    return !transfer_info_is(transfer, "searching");
}

int fetch_start_only(Fetch *fetch) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r;

    r = ctl_call(fetch->ctl, fetch_make_call, fetch, 0, &fetch->error, &reply);
    if (r >= 0)
        r = fetch_take_reply(fetch, reply);
    if (r >= 0)
        r = await_transfer(fetch->ctl->bus, fetch->path, fetch_is_under_way,
                           START_TIMEOUT_SEC * USEC_PER_SEC, &fetch->transfer, &fetch->error);
    fetch->ended = time_monotonic();
    return r == -ETIMEDOUT && !sd_bus_error_is_set(&fetch->error) ? 0 : MIN(r, 0);
}

ProgressView fetch_view(Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;
    const char *state = transfer->state ?: "searching";
    ProgressView view = {
        .name = fetch->file_name,
        .size = transfer->size,
        .transferred = transfer->transferred,
        .sources = strings_count(transfer->sources),
    };

    if (strcmp(state, "active") == 0)
        view.rate = progress_sample(&fetch->rate, time_monotonic(), transfer->transferred);
    else if (strcmp(state, "waiting") != 0)
        snprintf(view.note, sizeof(view.note), "%s", state);
    else if (transfer->queue_place > 0)
        snprintf(view.note, sizeof(view.note), "waiting, place %u in the queue",
                 transfer->queue_place);
    else
        snprintf(view.note, sizeof(view.note), "waiting for a %s",
                 *transfer->error ? "source" : "free slot");
    return view;
}

void fetch_clear(Fetch *fetch) {
    sd_bus_slot_unref(fetch->call);
    sd_bus_slot_unref(fetch->get_all);
    transfer_info_clear(&fetch->transfer);
    sd_bus_error_free(&fetch->error);
    free(fetch->file_name);
    free(fetch->path);
    free(fetch->daemon);
}
