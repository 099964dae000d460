// SPDX-License-Identifier: MIT
#pragma once

// Properties from D-Bus into a struct, by a table.

#include <stddef.h>
#include <systemd/sd-bus.h>

typedef struct Property {
    const char *name;
    // "s" into char *, "as" into char ** (ended by NULL), "b" into int, "u" into uint32_t, "t" into uint64_t;
    // others by `read`.
    const char *signature;
    size_t offset;
    // Reads the contents of the variant into the field. 0 or -errno.
    int (*read)(sd_bus_message *message, void *field);
} Property;

// Reads an a{sv} where the message stands; what the table does not name is skipped, so that a newer
// daemon may say more. Afterwards no string and no list of `object` is NULL. 0 or -errno.
int properties_read(sd_bus_message *message, const Property *table, size_t n, void *object);

// Frees what properties_read() has stored of "s" and "as".
void properties_free(const Property *table, size_t n, void *object);

char **strings_free(char **strings);
size_t strings_count(char *const *strings);
