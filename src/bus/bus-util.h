// SPDX-License-Identifier: MIT
#pragma once

// Small helpers over sd-bus for both daemons.

#include <systemd/sd-bus.h>

#include "proto/record.h"
#include "util/macro.h"

// How properties are offered: each has a getter of its own in the vtable. It appends the value and
// nothing else. A plain number that is a field of the object needs no getter: NULL and offsetof().
#define BUS_GETTER(func)                                                           \
    static int func(sd_bus *bus _unused_, const char *path _unused_,               \
                    const char *interface _unused_, const char *property _unused_, \
                    sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)

// Defines a getter for a value of a basic type. `value` is an expression of `object`, which is a
// `const Type *`.
#define BUS_DEFINE_GETTER(func, Type, signature, value)        \
    BUS_GETTER(func) {                                         \
        const Type *object _unused_ = userdata;                \
                                                               \
        return sd_bus_message_append(reply, signature, value); \
    }

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
