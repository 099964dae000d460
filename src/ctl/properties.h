// SPDX-License-Identifier: MIT
#pragma once

// Reads D-Bus properties into a struct, by a table.

#include <stddef.h>
#include <systemd/sd-bus.h>

typedef struct Property {
    const char *name;
    // "s" fills a char *, "as" a char ** (ended by NULL), "b" an int, "u" a uint32_t, "t" a
    // uint64_t. Other types need `read`.
    const char *signature;
    size_t offset;
    // Reads the content of the variant into the field. 0 or -errno.
    int (*read)(sd_bus_message *message, void *field);
} Property;

// Reads the a{sv} at which the message stands. Skips properties that the table does not name, so
// that a newer daemon may have more. Afterwards, no string and no list of `object` is NULL. 0 or
// -errno.
int properties_read(sd_bus_message *message, const Property *table, size_t n, void *object);

// Frees the "s" and "as" that properties_read() has stored.
void properties_free(const Property *table, size_t n, void *object);

char **strings_free(char **strings);
size_t strings_count(char *const *strings);
