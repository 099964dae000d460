// SPDX-License-Identifier: MIT
#pragma once

// The configuration file: a table says which key goes where. inih reads the syntax; whoever loads
// owns a fresh struct, and swaps it in when everything in it was right.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/address.h"

typedef struct ConfigKey ConfigKey;

// Writes the value into `field`. 0; -EINVAL, -ERANGE: not what `expected` says; -EDOM: a network with bits behind its
// prefix; -ENOMEM. A key that is repeated calls again: single values are replaced, lists grow.
typedef int (*ConfigParser)(const ConfigKey *key, const char *value, void *field);

struct ConfigKey {
    const char *section;
    const char *name;
    ConfigParser parser;
    size_t offset;        // of the field in the target struct
    uint64_t min, max;    // config_parse_number()
    const char *expected; // completes "expected …" in the message
};

// Strings in the order of the file; owned.
typedef struct StringList {
    char **items;
    size_t count;
} StringList;
void string_list_clear(StringList *list);

// Networks in the order of the file.
typedef struct PrefixList {
    AddressPrefix *items; // owned
    size_t count;
} PrefixList;
void prefix_list_clear(PrefixList *list);
bool prefix_list_contains(const PrefixList *list, const IpAddress *address);

int config_parse_number(const ConfigKey *key, const char *value, void *field); // uint64_t
// yes or no, true or false, on or off, 1 or 0. bool
int config_parse_bool(const ConfigKey *key, const char *value, void *field);
// Bytes per second: a number, and perhaps K, M, G or T behind it (powers of 1024); 0 = no limit. uint64_t
int config_parse_rate(const ConfigKey *key, const char *value, void *field);
// Bytes: the same, between the bounds of the key. uint64_t
int config_parse_size(const ConfigKey *key, const char *value, void *field);
int config_parse_string(const ConfigKey *key, const char *value, void *field); // char *, owned
int config_parse_list(const ConfigKey *key, const char *value, void *field);   // StringList
// Absolute path; no ".." needed, none taken. char *, owned.
int config_parse_path(const ConfigKey *key, const char *value, void *field);
// ADDRESS:PORT, an address in brackets if it is IPv6. Endpoint.
int config_parse_endpoint(const ConfigKey *key, const char *value, void *field);
// ADDRESS/BITS or an ADDRESS. PrefixList
int config_parse_prefixes(const ConfigKey *key, const char *value, void *field);

// /etc/p2pshare.ini, or that of this user. Caller frees. 0 or -ENOMEM.
int config_default_path(bool user, char **ret);

// Reads the file into `target`, which holds the defaults. Logs each problem with file and line: an
// unknown key or section warns; keys of a section that no key of the table names, and that
// `other_sections` lists (NULL-terminated), belong to another program. 0; -EINVAL: a value was wrong;
// -errno: the file cannot be read (-ENOENT included).
int config_load(const char *path, const ConfigKey *keys, size_t key_count,
                const char *const *other_sections, void *target);

// The same for what is beside it, PATH.d/*.ini, one after the other in the order of their names; hidden files are
// left out. `r` is what config_load() of the file itself gave, and comes back unless something is worse. A
// directory that is not there is empty. What cannot be read, or is more than CONFIG_DROP_INS_MAX, is logged and -EINVAL.
int config_load_drop_ins(const char *path, const ConfigKey *keys, size_t key_count,
                         const char *const *other_sections, void *target, int r);

enum {
    CONFIG_DROP_INS_MAX = 1024,
};
// Their paths in that order. 0 or -errno.
int config_drop_ins(const char *path, StringList *ret);
