// SPDX-License-Identifier: MIT
#pragma once

// Small helpers over sd-bus for both daemons.

#include <systemd/sd-bus.h>

#include "proto/record.h"

// "YYYY-MM-DD", the form of dates on D-Bus.
enum {
    BUS_DATE_MAX = sizeof("65535-255-255"),
};
void bus_format_date(const Date *date, char text[static BUS_DATE_MAX]);

// Appends records: name, type, size, modified, address, port, and a dictionary for optional values:
// `root` s, 64 hex digits. 0 or -errno.
#define BUS_RECORDS "a(sstssqa{sv})"
int bus_append_records(sd_bus_message *message, const Record records[], size_t n);

// Appends "ADDRESS:PORT".
int bus_append_endpoint(sd_bus_message *message, const Endpoint *endpoint);

// The sender's user, as the bus says. A unique name never changes its user, and this does not read
// /proc. 0 or -errno.
int bus_sender_uid(sd_bus_message *call, uid_t *ret);
// Writes "uid 1000", for the log.
enum {
    BUS_SENDER_MAX = sizeof("an unknown user"),
};
void bus_format_sender(sd_bus_message *call, char text[static BUS_SENDER_MAX]);
