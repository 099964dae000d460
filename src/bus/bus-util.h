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

// Appends the fields of a record: name, type, size, modified, address, port ("sstssq"), inside a
// struct that the caller has opened. 0 or -errno.
int bus_append_record(sd_bus_message *message, const Record *record);

// Appends an Endpoint as "ADDRESS:PORT".
int bus_append_endpoint(sd_bus_message *message, const Endpoint *endpoint);
