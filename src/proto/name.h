// SPDX-License-Identifier: MIT
#pragma once

// Names of shared files: what is a valid one, how it splits into name and type, and how it is
// written where a character of it would end a line or a record.

#include <stdbool.h>
#include <stddef.h>

#include "proto/protocol.h"
#include "util/buffer.h"

// A file name that can be stored, shown and put on D-Bus everywhere: 1..NAME_BYTES_MAX bytes of
// UTF-8, no '/', no control characters, neither "." nor "..". Everything else is refused when it is
// received, so that nothing behind the parsers has to ask again.
bool name_is_valid(const char *name, size_t len);

// An extension without its dot: 1..TYPE_BYTES_MAX printable ASCII characters other than space, '/', '%'
// and those that separate fields and records.
bool type_is_valid(const char *type, size_t len);

typedef struct NameParts {
    size_t name_len;  // bytes of `file_name` that are the name
    const char *type; // into `file_name`, or TYPE_NONE; not lowered
    size_t type_len;
} NameParts;

// "report.tar.gz" = "report.tar" + "gz"; ".profile", "README", "end." and "..txt" have no extension.
NameParts name_split(const char *file_name, size_t len);

// Whether a file of that name and type is called `file_name`: "name.type", or the bare name.
// Case matters in the name and not in the type.
bool name_matches(const char *name, const char *type, const char *file_name);

// Bytes before the ".type" that the text ends in, or 0: it does not end so. A type such as "tar.gz" is
// left alone, because name_split() never finds one.
size_t name_stem_len(const char *text, size_t len, const char *type);

// "name.type", or "name" where the type is TYPE_NONE. `text` must hold FILE_NAME_BYTES_MAX + 1.
enum {
    FILE_NAME_BYTES_MAX = NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX,
};
void name_join(const char *name, const char *type, char text[static FILE_NAME_BYTES_MAX + 1]);

// Percent-encoding (RFC 3986 section 2.1) of as little as possible. Programs of others do not decode:
// a '%' stays as it is unless two hex digits follow it.
typedef enum NameContext {
    NAME_IN_MESSAGE, // SEARCH, DOWNLOAD: what would end a line, and spaces at the ends
    NAME_IN_RECORD,  // and what would end a record
} NameContext;
int name_encode(Buffer *out, const char *name, NameContext context); // 0 or -ENOMEM

// Decodes %XX, leaves any other '%'. Writes at most `size` - 1 bytes and a NUL. Returns the length, or
// -ENAMETOOLONG. The result is not validated.
int name_decode(const char *text, size_t len, char *out, size_t size);
