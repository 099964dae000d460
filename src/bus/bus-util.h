// SPDX-License-Identifier: MIT
#pragma once

// Small helpers over sd-bus that both daemons use.

#include <systemd/sd-bus.h>

#include "proto/record.h"

// "YYYY-MM-DD", as dates stand on D-Bus.
enum {
    BUS_DATE_MAX = sizeof("65535-255-255"),
};
void bus_format_date(const Date *date, char text[static BUS_DATE_MAX]);

// Appends records: name, type, size, modified, address, port, and in a dictionary what not every record
// has: `root` s, 64 hex digits. 0 or -errno.
#define BUS_RECORDS "a(sstssqa{sv})"
int bus_append_records(sd_bus_message *message, const Record records[], size_t n);

// Appends an Endpoint as "ADDRESS:PORT".
int bus_append_endpoint(sd_bus_message *message, const Endpoint *endpoint);
