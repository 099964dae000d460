// SPDX-License-Identifier: MIT

#include "bus/bus-util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "util/macro.h"

void bus_format_date(const Date *date, char text[static BUS_DATE_MAX]) {
    snprintf(text, BUS_DATE_MAX, "%04u-%02u-%02u", date->year, date->month, date->day);
}

static int bus_append_record(sd_bus_message *message, const Record *record) {
    char date[BUS_DATE_MAX], address[INET6_ADDRSTRLEN], root[MERKLE_TEXT_BYTES + 1];
    int r;

    bus_format_date(&record->modified, date);
    address_format(&record->endpoint.address, address);
    r = sd_bus_message_append(message, "sstssq", record->name, record->type, record->size, date,
                              address, record->endpoint.port);
    if (r < 0)
        return r;
    if (!record->has_root)
        return sd_bus_message_append(message, "a{sv}", 0);
    merkle_hash_format(&record->root, root);
    return sd_bus_message_append(message, "a{sv}", 1, "root", "s", root);
}

int bus_append_records(sd_bus_message *message, const Record records[], size_t n) {
    int r;

    r = sd_bus_message_open_container(message, 'a', "(sstssqa{sv})");
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = sd_bus_message_open_container(message, 'r', "sstssqa{sv}");
        if (r >= 0)
            r = bus_append_record(message, &records[i]);
        if (r >= 0)
            r = sd_bus_message_close_container(message);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}

int bus_append_endpoint(sd_bus_message *message, const Endpoint *endpoint) {
    char text[ENDPOINT_TEXT_MAX];

    endpoint_format(endpoint, text);
    return sd_bus_message_append(message, "s", text);
}

int bus_sender_uid(sd_bus_message *call, uid_t *ret) {
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    int r;

    r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);
    if (r < 0)
        return r;
    if (sd_bus_creds_get_augmented_mask(creds) & SD_BUS_CREDS_EUID)
        return -EPERM;
    return sd_bus_creds_get_euid(creds, ret);
}

void bus_format_sender(sd_bus_message *call, char text[static BUS_SENDER_MAX]) {
    uid_t uid;

    if (bus_sender_uid(call, &uid) < 0)
        snprintf(text, BUS_SENDER_MAX, "an unknown user");
    else
        snprintf(text, BUS_SENDER_MAX, "uid %" PRIu32, (uint32_t)uid);
}
