// SPDX-License-Identifier: MIT

#include "peer/bus/transfer-bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-util.h"
#include "bus/names.h"
#include "util/parse-util.h"

int transfer_bus_path(const Transfer *transfer, char **ret) {
    if (asprintf(ret, BUS_TRANSFER_PREFIX "/%" PRIu32, transfer->id) < 0)
        return -ENOMEM;
    return 0;
}

BUS_DEFINE_GETTER(transfer_bus_get_direction, Transfer, "s",
                  transfer_direction_name(object->direction))
BUS_DEFINE_GETTER(transfer_bus_get_name, Transfer, "s", object->text.name)
BUS_DEFINE_GETTER(transfer_bus_get_type, Transfer, "s", object->text.type)
BUS_DEFINE_GETTER(transfer_bus_get_transferred, Transfer, "t", transfer_moved(object))
BUS_DEFINE_GETTER(transfer_bus_get_state, Transfer, "s", transfer_state_name(object->state))
BUS_DEFINE_GETTER(transfer_bus_get_path, Transfer, "s", object->path ?: "")
BUS_DEFINE_GETTER(transfer_bus_get_error, Transfer, "s", object->error ?: "")
BUS_DEFINE_GETTER(transfer_bus_get_error_message, Transfer, "s", object->error_message ?: "")
// The other peer verifies what this peer uploads, and does not tell the result.
BUS_DEFINE_GETTER(transfer_bus_get_verified, Transfer, "b",
                  object->has_root && object->direction == TRANSFER_DOWNLOAD)

BUS_GETTER(transfer_bus_get_sources) {
    const Transfer *transfer = userdata;
    int r;

    r = sd_bus_message_open_container(reply, 'a', "s");
    for (size_t i = 0; i < transfer->source_count && r >= 0; i++)
        r = bus_append_endpoint(reply, &transfer->sources[i]);
    if (r >= 0 && transfer->remote.address.family != AF_UNSPEC)
        r = bus_append_endpoint(reply, &transfer->remote);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

BUS_GETTER(transfer_bus_get_root) {
    const Transfer *transfer = userdata;
    char root[MERKLE_TEXT_BYTES + 1] = "";

    if (transfer->has_root)
        merkle_hash_format(&transfer->root, root);
    return sd_bus_message_append(reply, "s", root);
}

static int transfer_bus_find(sd_bus *bus _unused_, const char *path, const char *iface _unused_,
                             void *userdata, void **ret, sd_bus_error *error _unused_) {
    PeerBus *self = userdata;
    Transfer *transfer;
    uint64_t id;

    if (strncmp(path, BUS_TRANSFER_PREFIX "/", strlen(BUS_TRANSFER_PREFIX "/")) != 0 ||
        parse_u64_range(path + strlen(BUS_TRANSFER_PREFIX "/"), 1, UINT32_MAX, &id) < 0)
        return 0;
    transfer = transfer_find(&self->peer->transfers, (uint32_t)id);
    if (!transfer)
        return 0;
    *ret = transfer;
    return 1;
}

// The transfer of a call, if it has not ended while polkit was asked. 0 or -errno with `error`.
static int transfer_bus_find_running(sd_bus_message *call, PeerBus *self, Transfer **ret,
                                     sd_bus_error *error) {
    void *found = NULL;
    Transfer *transfer;

    if (transfer_bus_find(NULL, sd_bus_message_get_path(call), NULL, self, &found, NULL) <= 0)
        return sd_bus_error_set(error, BUS_ERROR_NO_SUCH_TRANSFER, "That transfer has ended");
    transfer = found;
    if (transfer_state_is_final(transfer->state))
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_TRANSFER,
                                 "transfer %" PRIu32 " has ended already", transfer->id);
    *ret = transfer;
    return 0;
}

static int transfer_bus_cancel(sd_bus_message *call, uid_t caller _unused_, void *userdata,
                               sd_bus_error *error) {
    Transfer *transfer;
    int r;

    r = transfer_bus_find_running(call, userdata, &transfer, error);
    if (r < 0)
        return r;
    transfer_cancel(transfer);
    return sd_bus_reply_method_return(call, "");
}

static int transfer_bus_pause_or_resume(sd_bus_message *call, PeerBus *self,
                                        int (*action)(Transfer *transfer), sd_bus_error *error) {
    Transfer *transfer;
    int r;

    r = transfer_bus_find_running(call, self, &transfer, error);
    if (r < 0)
        return r;
    r = action(transfer);
    if (r == -EOPNOTSUPP)
        return sd_bus_error_setf(
            error, BUS_ERROR_NOT_SUPPORTED,
            transfer->direction == TRANSFER_UPLOAD
                ? "transfer %" PRIu32 " is an upload: only downloads can be paused"
                : "transfer %" PRIu32 " could not go on where it stopped: its file has no root",
            transfer->id);
    return r < 0 ? r : sd_bus_reply_method_return(call, "");
}

static int transfer_bus_pause(sd_bus_message *call, uid_t caller _unused_, void *userdata,
                              sd_bus_error *error) {
    return transfer_bus_pause_or_resume(call, userdata, transfer_pause, error);
}

static int transfer_bus_resume(sd_bus_message *call, uid_t caller _unused_, void *userdata,
                               sd_bus_error *error) {
    return transfer_bus_pause_or_resume(call, userdata, transfer_resume, error);
}

static const PolkitMethod guarded_methods[] = {
    {"Cancel", POLKIT_MANAGE, transfer_bus_cancel},
    {"Pause", POLKIT_MANAGE, transfer_bus_pause},
    {"Resume", POLKIT_MANAGE, transfer_bus_resume},
    {},
};

static int transfer_bus_method_guarded(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    const Transfer *transfer = userdata;
    PeerBus *self = transfer->table->hooks.userdata;

    return polkit_ask_method(self->polkit, call, guarded_methods, transfer->owner, self, error);
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Cancel", "", "", transfer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Pause", "", "", transfer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Resume", "", "", transfer_bus_method_guarded, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Id", "u", NULL, offsetof(Transfer, id), SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Direction", "s", transfer_bus_get_direction, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Name", "s", transfer_bus_get_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Type", "s", transfer_bus_get_type, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Size", "t", NULL, offsetof(Transfer, size),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Transferred", "t", transfer_bus_get_transferred, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("State", "s", transfer_bus_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Sources", "as", transfer_bus_get_sources, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("QueuePlace", "u", NULL, offsetof(Transfer, queue_place),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Path", "s", transfer_bus_get_path, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Root", "s", transfer_bus_get_root, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Verified", "b", transfer_bus_get_verified, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Started", "t", NULL, offsetof(Transfer, started),
                    SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Error", "s", transfer_bus_get_error, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("ErrorMessage", "s", transfer_bus_get_error_message, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END,
};

static int transfer_bus_enumerate(sd_bus *bus _unused_, const char *prefix _unused_, void *userdata,
                                  char ***ret_nodes, sd_bus_error *error _unused_) {
    PeerBus *self = userdata;
    const Transfer *transfer;
    char **nodes;
    size_t n = 0;

    // sd-bus takes over the list and its strings.
    nodes = calloc(self->peer->transfers.count + 1, sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    TAILQ_FOREACH (transfer, &self->peer->transfers.list, link)
        if (transfer_bus_path(transfer, &nodes[n]) >= 0)
            n++;
    nodes[n] = NULL;
    *ret_nodes = nodes;
    return 0;
}

static void transfer_bus_on_new(Transfer *transfer, void *userdata) {
    _cleanup_free_ char *path = NULL;
    PeerBus *self = userdata;

    peer_update_status(self->peer);
    if (transfer_bus_path(transfer, &path) < 0)
        return;
    (void)sd_bus_emit_object_added(self->bus, path);
    (void)sd_bus_emit_signal(self->bus, BUS_PEER_PATH, BUS_PEER_INTERFACE, "TransferNew", "uo",
                             transfer->id, path);
}

static void transfer_bus_on_changed(Transfer *transfer, void *userdata) {
    _cleanup_free_ char *path = NULL;
    PeerBus *self = userdata;

    peer_update_status(self->peer);
    if (transfer_bus_path(transfer, &path) < 0)
        return;
    (void)sd_bus_emit_properties_changed(self->bus, path, BUS_TRANSFER_INTERFACE, "Name", "Type",
                                         "Size", "Transferred", "State", "Sources", "QueuePlace",
                                         "Path", "Root", "Verified", "Error", "ErrorMessage", NULL);
}

static void transfer_bus_on_progress(Transfer *transfer, void *userdata) {
    _cleanup_free_ char *path = NULL;
    PeerBus *self = userdata;

    if (transfer_bus_path(transfer, &path) < 0)
        return;
    (void)sd_bus_emit_properties_changed(self->bus, path, BUS_TRANSFER_INTERFACE, "Transferred",
                                         NULL);
}

static void transfer_bus_on_removed(Transfer *transfer, void *userdata) {
    // A transfer that has not ended is removed because the daemon stops.
    TransferState result =
        transfer_state_is_final(transfer->state) ? transfer->state : TRANSFER_CANCELLED;
    _cleanup_free_ char *path = NULL;
    PeerBus *self = userdata;

    transfer->hook_data = sd_bus_slot_unref(transfer->hook_data);

    if (transfer_bus_path(transfer, &path) < 0)
        return;
    (void)sd_bus_emit_object_removed(self->bus, path);
    (void)sd_bus_emit_signal(self->bus, BUS_PEER_PATH, BUS_PEER_INTERFACE, "TransferRemoved", "uos",
                             transfer->id, path, transfer_state_name(result));
}

// Every client of the bus can send this process a signal of this name, but only the bus can send it
// under its own name. sd_bus_track does not check the sender.
static int transfer_bus_on_caller_gone(sd_bus_message *message, void *userdata,
                                       sd_bus_error *error _unused_) {
    const char *sender = sd_bus_message_get_sender(message);

    if (sender && strcmp(sender, "org.freedesktop.DBus") == 0)
        transfer_cancel(userdata);
    return 0;
}

int transfer_bus_follow_caller(Transfer *transfer, sd_bus_message *call) {
    sd_bus *bus = sd_bus_message_get_bus(call);
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
    const char *caller = sd_bus_message_get_sender(call);
    char match[256];
    int r;

    if (!caller)
        return 0; // a direct connection has no names
    snprintf(match, sizeof(match),
             "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
             "member='NameOwnerChanged',arg0='%s'",
             caller);
    r = sd_bus_add_match(bus, &slot, match, transfer_bus_on_caller_gone, transfer);
    if (r < 0)
        return r;
    // The caller may have left before the bus installed the match.
    r = sd_bus_get_name_creds(bus, caller, 0, &creds);
    if (r < 0)
        return r;
    transfer->hook_data = TAKE_PTR(slot);
    return 0;
}

int transfer_bus_add(PeerBus *self) {
    int r;

    r = sd_bus_add_fallback_vtable(self->bus, NULL, BUS_TRANSFER_PREFIX, BUS_TRANSFER_INTERFACE,
                                   vtable, transfer_bus_find, self);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(self->bus, NULL, BUS_TRANSFER_PREFIX, transfer_bus_enumerate,
                                       self);
    if (r < 0)
        return r;
    self->peer->transfers.hooks = (TransferHooks){
        .on_new = transfer_bus_on_new,
        .on_changed = transfer_bus_on_changed,
        .on_progress = transfer_bus_on_progress,
        .on_removed = transfer_bus_on_removed,
        .userdata = self,
    };
    return 0;
}
