// SPDX-License-Identifier: MIT
#pragma once

// Names of shared files: which are valid, how they split into name and type, and how to write one
// that has characters which would end a line or a record.

#include <stdbool.h>
#include <stddef.h>

#include "proto/protocol.h"
#include "util/buffer.h"

// Whether a file can be stored, shown and put on D-Bus everywhere by this name: 1..NAME_BYTES_MAX
// bytes of UTF-8, no '/', no control characters, neither "." nor "..". The parsers reject all other
// names, so nothing behind them checks again.
bool name_is_valid(const char *name, size_t len);

// Whether it is an extension without its dot: 1..TYPE_BYTES_MAX printable ASCII characters except
// space, '/', '%' and those that separate fields and records.
bool type_is_valid(const char *type, size_t len);

typedef struct NameParts {
    size_t name_len;  // bytes of `file_name` that are the name
    const char *type; // in `file_name`, as written there, or TYPE_NONE
    size_t type_len;
} NameParts;

// "report.tar.gz" is "report.tar" and "gz". ".profile", "README", "end." and "..txt" have no
// extension.
NameParts name_split(const char *file_name, size_t len);

// Whether `file_name` means the file of that name and type: "name.type", or the name alone. Case
// matters in the name, not in the type.
bool name_matches(const char *name, const char *type, const char *file_name);

// Returns the bytes before a ".type" at the end of the text. 0: it does not end so. A type such as
// "tar.gz" never matches, because name_split() does not return one.
size_t name_stem_len(const char *text, size_t len, const char *type);

// Writes "name.type", or "name" if the type is TYPE_NONE, with a NUL.
enum {
    FILE_NAME_BYTES_MAX = NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX,
};
void name_join(const char *name, const char *type, char text[static FILE_NAME_BYTES_MAX + 1]);

// Percent-encoding (RFC 3986 section 2.1) of as few characters as possible, because other programs
// do not decode. A '%' stays as it is unless two hex digits follow it.
typedef enum NameContext {
    NAME_IN_MESSAGE, // SEARCH, DOWNLOAD: encode line ends, and spaces at both ends
    NAME_IN_RECORD,  // also encode what would end a record
} NameContext;
int name_encode(Buffer *out, const char *name, NameContext context); // 0 or -ENOMEM

// Decodes %XX and keeps any other '%'. Writes at most `size` - 1 bytes and a NUL. Returns the
// length or -ENAMETOOLONG. Does not validate the result.
int name_decode(const char *text, size_t len, char *out, size_t size);
