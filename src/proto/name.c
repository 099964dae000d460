// SPDX-License-Identifier: MIT

#include "proto/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/macro.h"
#include "util/parse-util.h"
#include "util/text.h"

bool name_is_valid(const char *name, size_t len) {
    if (len == 0 || len > NAME_BYTES_MAX || memchr(name, '/', len))
        return false;
    if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
        return false;
    if (text_is_plain(name, len))
        return true; // most are: this look replaces two long ones
    return text_is_utf8(name, len) && !text_has_control(name, len);
}

bool type_is_valid(const char *type, size_t len) {
    if (len == 0 || len > TYPE_BYTES_MAX || type[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (type[i] <= ' ' || type[i] > '~' || strchr("/,;|<>%", type[i]))
            return false;
    return true;
}

NameParts name_split(const char *file_name, size_t len) {
    const char *dot = memrchr(file_name, '.', len);

    // "..txt" has no extension, because "." is not a name.
    if (dot && dot > file_name && name_is_valid(file_name, dot - file_name) &&
        type_is_valid(dot + 1, file_name + len - dot - 1))
        return (NameParts){
            .name_len = dot - file_name,
            .type = dot + 1,
            .type_len = file_name + len - dot - 1,
        };
    return (NameParts){.name_len = len, .type = TYPE_NONE, .type_len = strlen(TYPE_NONE)};
}

size_t name_stem_len(const char *text, size_t len, const char *type) {
    size_t type_len = strlen(type), stem;

    if (len < type_len + 2 || strchr(type, '.'))
        return 0;
    stem = len - type_len - 1;
    return text[stem] == '.' && strncasecmp(text + stem + 1, type, type_len) == 0 ? stem : 0;
}

bool name_matches(const char *name, const char *type, const char *file_name) {
    size_t len = strlen(name);

    if (strncmp(file_name, name, len) != 0)
        return false;
    return file_name[len] == '\0' ||
           (file_name[len] == '.' && strcasecmp(file_name + len + 1, type) == 0);
}

void name_join(const char *name, const char *type, char text[static FILE_NAME_BYTES_MAX + 1]) {
    bool bare = strcasecmp(type, TYPE_NONE) == 0;

    snprintf(text, FILE_NAME_BYTES_MAX + 1, "%s%s%s", name, bare ? "" : ".", bare ? "" : type);
}

static bool name_must_encode(const char *name, size_t i, size_t len, NameContext context) {
    unsigned char c = name[i];

    if (c < ' ' || c == 0x7f)
        return true;
    if (c == '%')
        return isxdigit((unsigned char)name[i + 1]) && isxdigit((unsigned char)name[i + 2]);
    if (c == ' ')
        return i == 0 || i == len - 1;
    return context == NAME_IN_RECORD && strchr("<>;|", c);
}

int name_encode(Buffer *out, const char *name, NameContext context) {
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        char code[4];
        int r;

        if (name_must_encode(name, i, len, context)) {
            snprintf(code, sizeof(code), "%%%02X", (unsigned char)name[i]);
            r = buffer_append(out, code, 3);
        } else
            r = buffer_append(out, &name[i], 1);
        if (r < 0)
            return r;
    }
    return 0;
}

int name_decode(const char *text, size_t len, char *out, size_t size) {
    size_t n = 0;

    if (len < size && !memchr(text, '%', len)) {
        memcpy(out, text, len);
        out[len] = '\0';
        return (int)len;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (n + 1 >= size)
            return -ENAMETOOLONG;
        if (c == '%' && len - i > 2) {
            int high = parse_hex_digit(text[i + 1]), low = parse_hex_digit(text[i + 2]);

            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}
