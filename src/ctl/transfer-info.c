// SPDX-License-Identifier: MIT

#include "ctl/transfer-info.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bus/names.h"
#include "ctl/output.h"
#include "ctl/properties.h"

static const Property properties[] = {
    {"Id", "u", offsetof(TransferInfo, id), NULL},
    {"Direction", "s", offsetof(TransferInfo, direction), NULL},
    {"Name", "s", offsetof(TransferInfo, name), NULL},
    {"Type", "s", offsetof(TransferInfo, type), NULL},
    {"Size", "t", offsetof(TransferInfo, size), NULL},
    {"Transferred", "t", offsetof(TransferInfo, transferred), NULL},
    {"State", "s", offsetof(TransferInfo, state), NULL},
    {"Sources", "as", offsetof(TransferInfo, sources), NULL},
    {"Root", "s", offsetof(TransferInfo, root), NULL},
    {"Verified", "b", offsetof(TransferInfo, verified), NULL},
    {"QueuePlace", "u", offsetof(TransferInfo, queue_place), NULL},
    {"Path", "s", offsetof(TransferInfo, path), NULL},
    {"Started", "t", offsetof(TransferInfo, started), NULL},
    {"Error", "s", offsetof(TransferInfo, error), NULL},
    {"ErrorMessage", "s", offsetof(TransferInfo, error_message), NULL},
};

int transfer_info_read(sd_bus_message *message, TransferInfo *transfer) {
    return properties_read(message, properties, ELEMENTSOF(properties), transfer);
}

void transfer_info_clear(TransferInfo *transfer) {
    properties_free(properties, ELEMENTSOF(properties), transfer);
    *transfer = (TransferInfo){};
}

bool transfer_info_is(const TransferInfo *transfer, const char *state) {
    return transfer->state && strcmp(transfer->state, state) == 0;
}

bool transfer_info_is_over(const TransferInfo *transfer) {
    return transfer_info_is(transfer, "done") || transfer_info_is(transfer, "failed") ||
           transfer_info_is(transfer, "cancelled");
}

bool transfer_info_is_upload(const TransferInfo *transfer) {
    return transfer->direction && strcmp(transfer->direction, "upload") == 0;
}

double transfer_info_rate(const TransferInfo *transfer, uint64_t now) {
    if (!transfer_info_is(transfer, "active") || now <= transfer->started)
        return 0;
    return (double)transfer->transferred * USEC_PER_SEC / (double)(now - transfer->started);
}

char *transfer_info_file_name(const TransferInfo *transfer) {
    bool bare = !*transfer->type || strcasecmp(transfer->type, "file") == 0;
    char *text;

    if (asprintf(&text, "%s%s%s", transfer->name, bare ? "" : ".", bare ? "" : transfer->type) < 0)
        return NULL;
    return text;
}

// Whether this is a download from sources that do not state a root.
static bool transfer_info_is_unverified(const TransferInfo *transfer) {
    return !transfer_info_is_upload(transfer) && !transfer->verified && !*transfer->root &&
           (transfer_info_is(transfer, "active") || transfer_info_is(transfer, "done"));
}

char *transfer_info_details(const TransferInfo *transfer) {
    size_t size;
    char *text = NULL;
    FILE *file;

    if (*transfer->error_message || *transfer->error)
        return strdup(*transfer->error_message ? transfer->error_message : transfer->error);
    file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    if (transfer->queue_place > 0)
        fprintf(file, "place %u in the queue%s", transfer->queue_place,
                *transfer->sources ? ", " : "");
    for (char **s = transfer->sources; *s; s++)
        fprintf(file, "%s%s", s == transfer->sources ? "" : ", ", *s);
    if (transfer_info_is_unverified(transfer))
        fprintf(file, "%snot verified", ftell(file) > 0 ? ", " : "");
    else if (transfer_info_is(transfer, "done") && transfer->verified)
        fprintf(file, "%sverified", ftell(file) > 0 ? ", " : "");
    return fclose(file) == 0 ? text : NULL;
}

json_t *transfer_info_json(const TransferInfo *transfer) {
    json_auto_t *sources = json_array();

    for (char **s = transfer->sources; *s; s++)
        if (json_array_append_new(sources, json_text(*s)) < 0)
            return NULL;
    return json_pack("{sI so so so sI sI so sO so sb sI so so so so}", "id",
                     (json_int_t)transfer->id, "direction", json_text(transfer->direction), "name",
                     json_text(transfer->name), "type", json_text(transfer->type), "size",
                     (json_int_t)transfer->size, "transferred", (json_int_t)transfer->transferred,
                     "state", json_text(transfer->state), "sources", sources, "root",
                     json_text(transfer->root), "verified", transfer->verified, "queue_place",
                     (json_int_t)transfer->queue_place, "path", json_text(transfer->path),
                     "started", json_time(transfer->started), "error", json_text(transfer->error),
                     "message", json_text(transfer->error_message));
}

void transfer_list_clear(TransferList *list) {
    for (size_t i = 0; i < list->n; i++)
        transfer_info_clear(&list->transfers[i]);
    free(list->transfers);
    *list = (TransferList){};
}

// Reads one object of GetManagedObjects. If it has the transfer interface, adds it to the list.
static int transfer_info_read_interfaces(sd_bus_message *message, TransferList *list) {
    int r;

    r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
        const char *interface;

        r = sd_bus_message_read_basic(message, 's', &interface);
        if (r < 0)
            return r;
        if (strcmp(interface, BUS_TRANSFER_INTERFACE) == 0) {
            TransferInfo *transfers =
                reallocarray(list->transfers, list->n + 1, sizeof(*transfers));

            if (!transfers)
                return -ENOMEM;
            list->transfers = transfers;
            transfers[list->n] = (TransferInfo){};
            r = transfer_info_read(message, &transfers[list->n++]);
        } else
            r = sd_bus_message_skip(message, "a{sv}");
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int transfer_info_read_objects(sd_bus_message *message, TransferList *list) {
    int r;

    r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
        r = sd_bus_message_skip(message, "o");
        if (r < 0)
            return r;
        r = transfer_info_read_interfaces(message, list);
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int transfer_info_compare_id(const void *a, const void *b) {
    uint32_t x = ((const TransferInfo *)a)->id, y = ((const TransferInfo *)b)->id;

    return (x > y) - (x < y);
}

int transfer_list_get(sd_bus *bus, TransferList *ret, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    _cleanup_(transfer_list_clear) TransferList list = {};
    int r;

    r = sd_bus_message_new_method_call(bus, &call, BUS_PEER_NAME, BUS_PEER_PATH,
                                       "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, false); // looking must not start the daemon
    if (r >= 0)
        r = sd_bus_call(bus, call, 0, error, &reply);
    if (r < 0)
        return r;
    r = transfer_info_read_objects(reply, &list);
    if (r < 0)
        return r;
    if (list.n > 0)
        qsort(list.transfers, list.n, sizeof(*list.transfers), transfer_info_compare_id);
    *ret = list;
    list = (TransferList){};
    return 0;
}
