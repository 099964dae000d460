// SPDX-License-Identifier: MIT
#pragma once

// The configuration file. A table maps each key to a field; inih reads the syntax. The caller loads
// into a fresh struct and uses it only if the whole file is right.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/address.h"

typedef struct ConfigKey ConfigKey;

// Writes the value into `field`. 0. -EINVAL, -ERANGE: not what `expected` says. -EDOM: a network
// with bits behind its prefix. -ENOMEM. Called again for a repeated key: single values are
// replaced, lists grow.
typedef int (*ConfigParser)(const ConfigKey *key, const char *value, void *field);

struct ConfigKey {
    const char *section;
    const char *name;
    ConfigParser parser;
    size_t offset;        // of the field in the target struct
    uint64_t min, max;    // for config_parse_number()
    const char *expected; // completes "expected …" in the message
};

// Strings in the order of the file. It owns them.
typedef struct StringList {
    char **items;
    size_t count, room;
} StringList;
void string_list_clear(StringList *list);

// Networks in the order of the file.
typedef struct PrefixList {
    AddressPrefix *items; // owned
    size_t count, room;
} PrefixList;
void prefix_list_clear(PrefixList *list);
bool prefix_list_contains(const PrefixList *list, const IpAddress *address);

int config_parse_number(const ConfigKey *key, const char *value, void *field); // uint64_t
// yes or no, true or false, on or off, 1 or 0. Field: bool.
int config_parse_bool(const ConfigKey *key, const char *value, void *field);
// Bytes per second: a number with an optional K, M, G or T (powers of 1024). 0: no limit. Field:
// uint64_t.
int config_parse_rate(const ConfigKey *key, const char *value, void *field);
// Bytes in the same form, within the key's bounds. Field: uint64_t.
int config_parse_size(const ConfigKey *key, const char *value, void *field);
int config_parse_string(const ConfigKey *key, const char *value, void *field); // char *, owned
int config_parse_list(const ConfigKey *key, const char *value, void *field);   // StringList
// An absolute path without "..". Field: char *, owned.
int config_parse_path(const ConfigKey *key, const char *value, void *field);
// ADDRESS:PORT, with an IPv6 address in brackets. Field: Endpoint.
int config_parse_endpoint(const ConfigKey *key, const char *value, void *field);
// ADDRESS/BITS or an ADDRESS. Field: PrefixList.
int config_parse_prefixes(const ConfigKey *key, const char *value, void *field);

// /etc/p2pshare.ini, or the user's own file. Caller frees. 0 or -ENOMEM.
int config_default_path(bool user, char **ret);

// Reads the file into `target`, which holds the defaults. Logs each problem with file and line.
// Unknown keys and sections are warnings. Sections in `other_sections` (NULL-terminated) belong to
// other programs. 0, -EINVAL: a value is wrong, or -errno: the file cannot be read (-ENOENT
// included).
int config_load(const char *path, const ConfigKey *keys, size_t key_count,
                const char *const *other_sections, void *target);

// Reads PATH.d/*.ini in the same way, ordered by name, without hidden files. `r` is the result of
// config_load() for the file itself; it is returned unless something worse happens. A missing
// directory counts as empty. An unreadable file, or more than CONFIG_DROP_INS_MAX of them, is
// logged and becomes -EINVAL.
int config_load_drop_ins(const char *path, const ConfigKey *keys, size_t key_count,
                         const char *const *other_sections, void *target, int r);

enum {
    CONFIG_DROP_INS_MAX = 1024,
};
// Lists the paths of these files in that order. 0 or -errno.
int config_drop_ins(const char *path, StringList *ret);
