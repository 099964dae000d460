// SPDX-License-Identifier: MIT

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "proto/name.h"
#include "proto/record.h"
#include "util/parse-util.h"

enum {
    SEPARATOR_BYTES_MAX = 2,
    // All fields behind the name with their separators, and the root.
    FIELDS_BYTES_MAX = (1 + TYPE_BYTES_MAX) + 20 + DATE_BYTES_MAX + INET6_ADDRSTRLEN + 5 +
                       MERKLE_TEXT_BYTES + 1 + (_FIELD_COUNT + 1) * SEPARATOR_BYTES_MAX,
};

// These functions write at `p` and return where they ended.
static char *record_put_separator(char *p, const RecordSyntax *syntax) {
    *p++ = ',';
    if (syntax->spaced)
        *p++ = ' ';
    return p;
}

static char *record_put_type(char *p, const char *type, const RecordSyntax *syntax) {
    if (syntax->empty_type && strcasecmp(type, TYPE_NONE) == 0)
        return p;
    if (syntax->dotted)
        *p++ = '.';
    while (*type) // three bytes, mostly
        *p++ = *type++;
    return p;
}

static char *record_put_field(char *p, RecordField field, const Record *record,
                              const RecordSyntax *syntax) {
    switch (field) {
    case FIELD_TYPE:
        return record_put_type(p, record->type, syntax);
    case FIELD_SIZE:
        return p + format_u64(p, record->size, 1);
    case FIELD_DATE:
        return date_put(p, record->modified, syntax->long_year, syntax->dashed);
    case FIELD_ADDRESS:
        return p + address_format(&record->endpoint.address, p);
    case FIELD_PORT:
        return p + format_u64(p, record->endpoint.port, 1);
    default:
        return p;
    }
}

static int record_format_name(Buffer *out, const Record *record, const RecordSyntax *syntax,
                              NameContext context) {
    bool with_type = syntax->full_name && strcasecmp(record->type, TYPE_NONE) != 0;
    size_t stem = with_type ? 0 : name_stem_len(record->name, strlen(record->name), record->type);
    char head[NAME_BYTES_MAX + 1];
    int r;

    if (stem > 0 && name_is_valid(record->name, stem)) {
        // "a.txt.txt" is the name "a.txt" with the type "txt". Written plainly, it would read as
        // the full name of "a.txt".
        memcpy(head, record->name, stem);
        head[stem] = '\0';
        r = name_encode(out, head, context);
        if (r >= 0)
            r = buffer_append(out, "%2E", 3);
        return r < 0 ? r : name_encode(out, record->name + stem + 1, context);
    }
    r = name_encode(out, record->name, context);
    if (r >= 0 && with_type)
        r = buffer_append(out, ".", 1);
    return r < 0 || !with_type ? r : buffer_append(out, record->type, strlen(record->type));
}

int record_format(Buffer *out, const Record *record, const RecordSyntax *syntax, bool named) {
    char *text, *p;
    int r = 0;

    if (named)
        r = record_format_name(out, record, syntax, NAME_IN_RECORD);
    if (r < 0)
        return r;
    text = p = buffer_reserve(out, FIELDS_BYTES_MAX);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < _FIELD_COUNT; i++) {
        if (named || i > 0)
            p = record_put_separator(p, syntax);
        p = record_put_field(p, syntax->order[i], record, syntax);
    }
    if (syntax->rooted && record->has_root) {
        p = record_put_separator(p, syntax);
        merkle_hash_format(&record->root, p);
        p += MERKLE_TEXT_BYTES;
    }
    buffer_commit(out, p - text);
    return 0;
}

int record_format_file(Buffer *out, const Record *record, const RecordSyntax *syntax) {
    char *text, *p;
    int r;

    r = record_format_name(out, record, syntax, NAME_IN_MESSAGE);
    if (r < 0)
        return r;
    text = buffer_reserve(out, FIELDS_BYTES_MAX);
    if (!text)
        return -ENOMEM;
    p = record_put_separator(text, syntax);
    p = record_put_field(p, FIELD_TYPE, record, syntax);
    p = record_put_separator(p, syntax);
    p = record_put_field(p, FIELD_SIZE, record, syntax);
    buffer_commit(out, p - text);
    return 0;
}
