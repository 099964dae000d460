// SPDX-License-Identifier: MIT

#include "peer/bus/peer-bus.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-util.h"
#include "bus/names.h"
#include "peer/bus/find-bus.h"
#include "peer/bus/transfer-bus.h"
#include "peer/downloads/download-target.h"
#include "peer/downloads/download.h"
#include "peer/peer-metrics.h"
#include "peer/shares/shares.h"
#include "proto/name.h"
#include "util/log.h"
#include "util/text.h"

static int peer_bus_not_joined(const Peer *peer, sd_bus_error *error) {
    return sd_bus_error_setf(error, BUS_ERROR_NOT_JOINED, "Not joined: %s",
                             tracker_reason(peer->tracker));
}

static int peer_bus_too_many(sd_bus_error *error, const char *what) {
    return sd_bus_error_setf(error, BUS_ERROR_TOO_MANY, "Too many %s at once", what);
}

static int peer_bus_invalid_name(sd_bus_error *error) {
    return sd_bus_error_set(error, BUS_ERROR_INVALID_NAME,
                            "No file can have that name: 1 to 255 bytes, no '/', no control "
                            "characters");
}

// FT has answered, or the search has failed. The bus drops a reply if its caller has left.
static void peer_bus_on_found(TrackerSearch *search _unused_, int r, const Record records[],
                              size_t n, void *userdata) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata, *reply = NULL;

    if (r == -ENOTCONN) {
        (void)sd_bus_reply_method_errorf(call, BUS_ERROR_NOT_JOINED,
                                         "The session with the FileTracker has ended");
        return;
    }
    if (r < 0) {
        (void)sd_bus_reply_method_errorf(call, BUS_ERROR_NO_ANSWER,
                                         "the FileTracker does not answer: %s", strerror(-r));
        return;
    }
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = bus_append_records(reply, records, n);
    if (r >= 0)
        r = sd_bus_message_send(reply);
    if (r < 0)
        (void)sd_bus_reply_method_errno(call, r, NULL);
}

static int peer_bus_method_search(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    PeerBus *self = userdata;
    Peer *peer = self->peer;
    TrackerSearch *search;
    const char *name;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    if (!name_is_valid(name, strlen(name)))
        return peer_bus_invalid_name(error);
    sd_bus_message_ref(call);
    r = tracker_search(peer->tracker, name, peer_bus_on_found, call, &search);
    if (r < 0)
        sd_bus_message_unref(call);
    if (r == -ENOTCONN)
        return peer_bus_not_joined(peer, error);
    if (r == -EBUSY)
        return peer_bus_too_many(error, "searches");
    return r < 0 ? r : 1; // peer_bus_on_found() answers
}

// The options of a call of Download.
typedef struct DownloadArguments {
    DownloadFilter filter;
    int destination; // borrowed from the message, or -EBADF
} DownloadArguments;

static int peer_bus_bad_option(sd_bus_error *error, const char *key, const char *why) {
    return sd_bus_error_setf(error, BUS_ERROR_INVALID_OPTION, "%s: %s", key, why);
}

static int peer_bus_read_type(const char *text, DownloadFilter *filter, sd_bus_error *error) {
    if (!type_is_valid(text, strlen(text)))
        return peer_bus_bad_option(error, "type", "not an extension");
    snprintf(filter->type, sizeof(filter->type), "%s", text);
    filter->has_type = true;
    return 0;
}

static int peer_bus_read_address(const char *text, DownloadFilter *filter, sd_bus_error *error) {
    if (address_parse(text, strlen(text), &filter->address) < 0)
        return peer_bus_bad_option(error, "address", "not an IP address");
    filter->has_address = true;
    return 0;
}

static int peer_bus_read_root(const char *text, DownloadFilter *filter, sd_bus_error *error) {
    if (merkle_hash_parse(text, strlen(text), &filter->root) < 0)
        return peer_bus_bad_option(error, "root", "not 64 hex digits");
    filter->has_root = true;
    return 0;
}

static int peer_bus_read_option(sd_bus_message *call, const char *key, DownloadArguments *options,
                                sd_bus_error *error) {
    static const struct {
        const char *key;
        int (*read)(const char *text, DownloadFilter *filter, sd_bus_error *error);
    } texts[] = {{"type", peer_bus_read_type},
                 {"address", peer_bus_read_address},
                 {"root", peer_bus_read_root}};
    DownloadFilter *filter = &options->filter;
    const char *text;
    int r = -ENOENT;

    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        if (strcmp(key, texts[i].key) == 0) {
            r = sd_bus_message_read(call, "v", "s", &text);
            if (r >= 0)
                return texts[i].read(text, filter, error);
        }
    if (strcmp(key, "size") == 0) {
        r = sd_bus_message_read(call, "v", "t", &filter->size);
        filter->has_size = true;
    } else if (strcmp(key, "port") == 0) {
        r = sd_bus_message_read(call, "v", "q", &filter->port);
        filter->has_port = true;
    } else if (strcmp(key, "destination") == 0)
        r = sd_bus_message_read(call, "v", "h", &options->destination);
    if (r == -ENOENT)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_OPTION, "There is no option \"%s\"", key);
    return r == -ENXIO ? peer_bus_bad_option(error, key, "a value of another type") : r;
}

static int peer_bus_read_options(sd_bus_message *call, DownloadArguments *options,
                                 sd_bus_error *error) {
    const char *key;
    int r;

    *options = (DownloadArguments){.destination = -EBADF};
    r = sd_bus_message_enter_container(call, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        r = sd_bus_message_read(call, "s", &key);
        if (r < 0)
            return r;
        r = peer_bus_read_option(call, key, options, error);
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int peer_bus_start_download(Peer *peer, const char *name, const DownloadArguments *options,
                                   uid_t owner, Transfer **ret, sd_bus_error *error) {
    _cleanup_close_ int destination = -EBADF;
    int r;

    if (options->destination >= 0) {
        destination = fcntl(options->destination, F_DUPFD_CLOEXEC, 3);
        if (destination < 0)
            return -errno;
        if (!download_target_is_usable(destination))
            return sd_bus_error_set(error, BUS_ERROR_INVALID_OPTION,
                                    "destination: not a regular file that is open for reading and "
                                    "writing");
    }
    r = download_start(&peer->downloads, name, &options->filter, owner, destination, ret);
    if (r == -ENOTCONN)
        return peer_bus_not_joined(peer, error);
    if (r == -EMFILE || r == -EBUSY)
        return peer_bus_too_many(error, "downloads");
    if (r >= 0)
        TAKE_FD(destination);
    return r;
}

static int peer_bus_download(sd_bus_message *call, uid_t caller, void *userdata,
                             sd_bus_error *error) {
    _cleanup_free_ char *path = NULL;
    DownloadArguments options;
    PeerBus *self = userdata;
    Peer *peer = self->peer;
    Transfer *transfer;
    const char *name;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    r = peer_bus_read_options(call, &options, error);
    if (r < 0)
        return r;
    if (!name_is_valid(name, strlen(name)))
        return peer_bus_invalid_name(error);
    r = peer_bus_start_download(peer, name, &options, caller, &transfer, error);
    if (r < 0)
        return r;
    r = options.destination >= 0 ? transfer_bus_follow_caller(transfer, call) : 0;
    if (r >= 0)
        r = transfer_bus_path(transfer, &path);
    if (r < 0) {
        transfer_cancel(transfer);
        return r;
    }
    return sd_bus_reply_method_return(call, "o", path);
}

// The log names the user: nothing else explains later why the peer has left.
static int peer_bus_leave(sd_bus_message *call, uid_t caller, void *userdata,
                          sd_bus_error *error _unused_) {
    PeerBus *self = userdata;
    Peer *peer = self->peer;

    if (tracker_state(peer->tracker) != TRACKER_LEFT)
        log_notice("Left %s, as uid %" PRIu32 " asked, until join or a restart",
                   peer->config.ft ?: "the FileTracker", (uint32_t)caller);
    tracker_leave(peer->tracker);
    return sd_bus_reply_method_return(call, "");
}

static int peer_bus_join(sd_bus_message *call, uid_t caller, void *userdata,
                         sd_bus_error *error _unused_) {
    PeerBus *self = userdata;
    Peer *peer = self->peer;

    if (tracker_state(peer->tracker) == TRACKER_LEFT)
        log_notice("Joining %s again, as uid %" PRIu32 " asked",
                   peer->config.ft ?: "the FileTracker", (uint32_t)caller);
    tracker_join(peer->tracker);
    return sd_bus_reply_method_return(call, "");
}

static int peer_bus_rescan(sd_bus_message *call, uid_t caller _unused_, void *userdata,
                           sd_bus_error *error) {
    PeerBus *self = userdata;
    int r;

    if (self->rescan_count >= RESCANS_MAX)
        return peer_bus_too_many(error, "calls of Rescan and Reload");
    r = shares_rescan(self->peer->shares);
    if (r < 0)
        return r;
    self->rescans[self->rescan_count++] = sd_bus_message_ref(call);
    return 1; // peer_bus_on_scanned() answers
}

static int peer_bus_reload(sd_bus_message *call, uid_t caller, void *userdata,
                           sd_bus_error *error) {
    _cleanup_free_ char *reason = NULL;
    PeerBus *self = userdata;
    int r;

    if (self->rescan_count >= RESCANS_MAX)
        return peer_bus_too_many(error, "calls of Rescan and Reload");
    log_info("Reloading the configuration, as uid %" PRIu32 " asked", (uint32_t)caller);
    r = daemon_reload(self->daemon, &reason);
    if (r < 0)
        return sd_bus_error_set(error, BUS_ERROR_CONFIGURATION, reason ?: strerror(-r));
    self->rescans[self->rescan_count++] = sd_bus_message_ref(call);
    return 1; // peer_bus_on_scanned() answers
}

static int peer_bus_examine(sd_bus_message *call, uid_t caller _unused_, void *userdata,
                            sd_bus_error *error) {
    PeerBus *self = userdata;

    return examiner_examine(&self->examiner, self->peer->event, call, error);
}

static const PolkitMethod guarded_methods[] = {
    {"Download", POLKIT_DOWNLOAD, peer_bus_download},
    {"Leave", POLKIT_MANAGE, peer_bus_leave},
    {"Join", POLKIT_MANAGE, peer_bus_join},
    {"Rescan", POLKIT_MANAGE, peer_bus_rescan},
    {"Reload", POLKIT_MANAGE, peer_bus_reload},
    {"Examine", POLKIT_SHARE, peer_bus_examine},
    {},
};

static int peer_bus_method_guarded(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    PeerBus *self = userdata;

    return polkit_ask_method(self->polkit, call, guarded_methods, POLKIT_NOBODY, self, error);
}

static int peer_bus_method_metrics(sd_bus_message *call, void *userdata,
                                   sd_bus_error *error _unused_) {
    const PeerBus *self = userdata;
    _cleanup_free_ char *text = NULL;
    int r;

    r = peer_metrics(self->peer, &text);
    return r < 0 ? r : sd_bus_reply_method_return(call, "s", text);
}

BUS_DEFINE_GETTER(peer_bus_get_version, PeerBus, "s", VERSION)
BUS_DEFINE_GETTER(peer_bus_get_state, PeerBus, "s",
                  tracker_state_name(tracker_state(object->peer->tracker)))
BUS_DEFINE_GETTER(peer_bus_get_reason, PeerBus, "s", tracker_reason(object->peer->tracker))
BUS_DEFINE_GETTER(peer_bus_get_since, PeerBus, "t", tracker_since(object->peer->tracker))
BUS_DEFINE_GETTER(peer_bus_get_file_tracker, PeerBus, "s", object->peer->config.ft ?: "")
BUS_DEFINE_GETTER(peer_bus_get_reachable, PeerBus, "s",
                  reachability_name(tracker_reachability(object->peer->tracker)))
BUS_DEFINE_GETTER(peer_bus_get_download_directory, PeerBus, "s", object->peer->config.download_dir)
BUS_DEFINE_GETTER(peer_bus_get_download_problem, PeerBus, "s",
                  object->peer->downloads.directory_problem ?: "")
BUS_DEFINE_GETTER(peer_bus_get_watch_problem, PeerBus, "s",
                  shares_watch_problem(object->peer->shares))

BUS_GETTER(peer_bus_get_address) {
    const PeerBus *self = userdata;
    const Endpoint *address = tracker_address(self->peer->tracker);
    char text[ENDPOINT_TEXT_MAX] = "";

    if (address)
        endpoint_format(address, text);
    return sd_bus_message_append(reply, "s", text);
}

BUS_GETTER(peer_bus_get_restart_needed) {
    const PeerBus *self = userdata;

    return sd_bus_message_append_strv(reply, (char **)self->peer->restart_needed);
}

// How a share looks on D-Bus.
typedef struct ShareView {
    const char *state;
    char explanation[128]; // why FT does not list it, for a person
} ShareView;

// Says why FT does not list a share that could be listed.
static void peer_bus_explain_offered(const Peer *peer, const Share *share, ShareView *view) {
    const Record record = share_record(share);
    size_t limit;

    if (tracker_has_published(peer->tracker, &record))
        return;
    view->state = "pending";
    if (tracker_state(peer->tracker) != TRACKER_JOINED)
        snprintf(view->explanation, sizeof(view->explanation), "this peer is not joined");
    else if (tracker_is_full(peer->tracker, &limit)) {
        view->state = "limit";
        snprintf(view->explanation, sizeof(view->explanation),
                 "the FileTracker keeps %zu file%s of each peer (max-files-per-peer there)", limit,
                 limit == 1 ? "" : "s");
    } else
        snprintf(view->explanation, sizeof(view->explanation),
                 "the FileTracker has not confirmed it yet");
}

static void peer_bus_explain_hashing(const Peer *peer, const Share *share, ShareView *view) {
    int percent = shares_hashed_percent(peer->shares, share);

    if (percent < 0)
        snprintf(view->explanation, sizeof(view->explanation), "waiting");
    else
        snprintf(view->explanation, sizeof(view->explanation), "%d%%", percent);
}

static ShareView peer_bus_view_share(const Peer *peer, const Share *share) {
    ShareView view = {.state = share_state_name(share_state(share))};

    switch (share_state(share)) {
    case SHARE_OFFERED:
        peer_bus_explain_offered(peer, share, &view);
        break;
    case SHARE_HASHING:
        peer_bus_explain_hashing(peer, share, &view);
        break;
    case SHARE_DUPLICATE:
        snprintf(view.explanation, sizeof(view.explanation),
                 "another shared file has the same name and size");
        break;
    case SHARE_UNNAMEABLE:
        snprintf(view.explanation, sizeof(view.explanation),
                 "the name has control characters or is not UTF-8");
        break;
    default:
        snprintf(view.explanation, sizeof(view.explanation), "%s", share_error_text(share));
    }
    return view;
}

enum {
    // The bus closes a connection that sends more than 32 MiB in a message. The last entry of a
    // cut list counts the shares that it leaves out.
    SHARES_BYTES_MAX = 8 * 1024 * 1024,
};

static int peer_bus_append_share(sd_bus_message *reply, const Peer *peer, const Share *share) {
    _cleanup_free_ char *path = share_make_path(share), *text = NULL;
    ShareView view = peer_bus_view_share(peer, share);

    // D-Bus closes a connection that sends anything but UTF-8.
    text = path ? text_valid(path) : NULL;
    if (!text)
        return -ENOMEM;
    return sd_bus_message_append(reply, "(stss)", text, share_record(share).size, view.state,
                                 view.explanation);
}

BUS_GETTER(peer_bus_get_shares) {
    const PeerBus *self = userdata;
    const Peer *peer = self->peer;
    const ShareTable *table = shares_table(peer->shares);
    size_t count = share_table_count(table), bytes = 0;
    char rest[80];
    int r;

    r = sd_bus_message_open_container(reply, 'a', "(stss)");
    for (size_t i = 0; i < count && r >= 0; i++) {
        const Share *share = share_table_at(table, i);

        bytes += share_path_len(share) + 64; // the other members of the entry
        if (bytes > SHARES_BYTES_MAX) {
            snprintf(rest, sizeof(rest), "%zu more file%s shared; this list is full", count - i,
                     count - i == 1 ? " is" : "s are");
            r = sd_bus_message_append(reply, "(stss)", "…", (uint64_t)0, "omitted", rest);
            break;
        }
        r = peer_bus_append_share(reply, peer, share);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Search", SD_BUS_ARGS("s", name), SD_BUS_RESULT(BUS_RECORDS, records),
                            peer_bus_method_search, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Find", SD_BUS_ARGS("as", words, "a{sv}", options),
                            SD_BUS_RESULT(FIND_BUS_FILES, files, "a{sv}", summary), find_bus_method,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Download", SD_BUS_ARGS("s", name, "a{sv}", options),
                            SD_BUS_RESULT("o", transfer), peer_bus_method_guarded,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Leave", "", "", peer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Join", "", "", peer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Rescan", "", "", peer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reload", "", "", peer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Examine", SD_BUS_ARGS("s", path),
                            SD_BUS_RESULT("s", component, "s", error), peer_bus_method_guarded,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Metrics", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text),
                            peer_bus_method_metrics, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("TransferNew", SD_BUS_ARGS("u", id, "o", transfer), 0),
    SD_BUS_SIGNAL_WITH_ARGS("TransferRemoved", SD_BUS_ARGS("u", id, "o", transfer, "s", result), 0),
    SD_BUS_PROPERTY("Version", "s", peer_bus_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", peer_bus_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Reason", "s", peer_bus_get_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Since", "t", peer_bus_get_since, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("FileTracker", "s", peer_bus_get_file_tracker, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Address", "s", peer_bus_get_address, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Reachable", "s", peer_bus_get_reachable, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("DownloadDirectory", "s", peer_bus_get_download_directory, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("DownloadProblem", "s", peer_bus_get_download_problem, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("WatchProblem", "s", peer_bus_get_watch_problem, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("RestartNeeded", "as", peer_bus_get_restart_needed, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Shares", "a(stss)", peer_bus_get_shares, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
    SD_BUS_VTABLE_END,
};

static void peer_bus_on_state(void *userdata) {
    PeerBus *self = userdata;

    (void)sd_bus_emit_properties_changed(self->bus, BUS_PEER_PATH, BUS_PEER_INTERFACE, "State",
                                         "Reason", "Since", "FileTracker", "Address", "Reachable",
                                         "DownloadDirectory", "DownloadProblem", "RestartNeeded",
                                         "Shares", NULL);
}

static void peer_bus_on_shares(void *userdata) {
    PeerBus *self = userdata;

    (void)sd_bus_emit_properties_changed(self->bus, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Shares",
                                         "WatchProblem", NULL);
}

static void peer_bus_on_scanned(int r, void *userdata) {
    PeerBus *self = userdata;

    while (self->rescan_count > 0) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = self->rescans[--self->rescan_count];

        if (r < 0)
            (void)sd_bus_reply_method_errno(call, r, NULL);
        else
            (void)sd_bus_reply_method_return(call, "");
    }
}

int peer_bus_new(Peer *peer, Daemon *daemon, sd_bus *bus, PeerBus **ret) {
    _cleanup_(peer_bus_freep) PeerBus *self = calloc(1, sizeof(*self));
    int r;

    if (!self)
        return -ENOMEM;
    self->peer = peer;
    self->daemon = daemon;
    self->bus = sd_bus_ref(bus);
    r = polkit_new(bus, &self->polkit);
    if (r >= 0)
        r = sd_bus_add_object_manager(bus, NULL, BUS_PEER_PATH);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, NULL, BUS_PEER_PATH, BUS_PEER_INTERFACE, vtable, self);
    if (r >= 0)
        r = transfer_bus_add(self);
    if (r < 0)
        return r;
    peer->hooks = (PeerHooks){
        .on_state = peer_bus_on_state,
        .on_shares = peer_bus_on_shares,
        .on_scanned = peer_bus_on_scanned,
        .userdata = self,
    };
    *ret = TAKE_PTR(self);
    return 0;
}

PeerBus *peer_bus_free(PeerBus *self) {
    if (!self)
        return NULL;
    polkit_free(self->polkit);
    examiner_done(&self->examiner);
    while (self->rescan_count > 0)
        sd_bus_message_unref(self->rescans[--self->rescan_count]);
    sd_bus_flush_close_unref(self->bus);
    free(self);
    return NULL;
}
