// SPDX-License-Identifier: MIT

#include "ctl/properties.h"

#include <string.h>

#include "util/macro.h"

char **strings_free(char **strings) {
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
    return NULL;
}

size_t strings_count(char *const *strings) {
    size_t n = 0;

    while (strings && strings[n])
        n++;
    return n;
}

static const Property *properties_find(const Property *table, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static int properties_read_text(sd_bus_message *message, char **field) {
    const char *text;
    char *copy;
    int r;

    r = sd_bus_message_read_basic(message, 's', &text);
    if (r < 0)
        return r;
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int properties_read_texts(sd_bus_message *message, char ***field) {
    char **strings = NULL;
    int r;

    r = sd_bus_message_read_strv(message, &strings);
    if (r < 0)
        return r;
    strings_free(*field);
    *field = strings;
    return 0;
}

static int properties_read_value(sd_bus_message *message, const Property *property, void *object) {
    void *field = (char *)object + property->offset;
    int r;

    r = sd_bus_message_enter_container(message, 'v', property->signature);
    if (r < 0)
        return r;
    if (property->read)
        r = property->read(message, field);
    else if (strcmp(property->signature, "s") == 0)
        r = properties_read_text(message, field);
    else if (strcmp(property->signature, "as") == 0)
        r = properties_read_texts(message, field);
    else
        r = sd_bus_message_read_basic(message, property->signature[0], field);
    if (r < 0)
        return r;
    return sd_bus_message_exit_container(message);
}

static int properties_fill_empty(const Property *table, size_t n, void *object) {
    for (size_t i = 0; i < n; i++) {
        void *field = (char *)object + table[i].offset;

        if (table[i].read)
            continue;
        if (strcmp(table[i].signature, "s") == 0 && !*(char **)field)
            *(char **)field = strdup("");
        else if (strcmp(table[i].signature, "as") == 0 && !*(char ***)field)
            *(char ***)field = calloc(1, sizeof(char *));
        else
            continue;
        if (!*(void **)field)
            return -ENOMEM;
    }
    return 0;
}

int properties_read(sd_bus_message *message, const Property *table, size_t n, void *object) {
    int r;

    r = sd_bus_message_enter_container(message, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        const Property *property;
        const char *name;

        r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0)
            return r;
        property = properties_find(table, n, name);
        r = property ? properties_read_value(message, property, object)
                     : sd_bus_message_skip(message, "v");
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : properties_fill_empty(table, n, object);
}

void properties_free(const Property *table, size_t n, void *object) {
    for (size_t i = 0; i < n; i++) {
        void *field = (char *)object + table[i].offset;

        if (table[i].read)
            continue;
        if (strcmp(table[i].signature, "s") == 0) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (strcmp(table[i].signature, "as") == 0)
            *(char ***)field = strings_free(*(char ***)field);
    }
}
