// SPDX-License-Identifier: MIT
#pragma once

// One record: a file at a peer. The parser tells fields by their shape, not by their place. It
// starts at the end, because only the name may have commas.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/date.h"
#include "proto/protocol.h"
#include "proto/record-syntax.h"
#include "util/address.h"
#include "util/buffer.h"
#include "util/merkle-hash.h"

enum {
    // A record of this size cannot have a root. A root does not tell the size, and these bytes
    // could be the two hashes below the root of a larger file (BEP 52 hashes leaves and nodes
    // alike).
    SIZE_WITHOUT_ROOT = 2 * MERKLE_HASH_BYTES,
};

typedef struct Record {
    const char *name; // valid (name_is_valid()), without its extension; borrowed
    const char *type; // valid (type_is_valid()), without its dot; borrowed
    uint64_t size;    // bytes
    Date modified;
    Endpoint endpoint;
    bool has_root;
    // What the file is (util/merkle.h). Zero if not has_root; see SIZE_WITHOUT_ROOT.
    MerkleHash root;
} Record;

// Storage for the strings of a parsed record.
typedef struct RecordText {
    char name[NAME_BYTES_MAX + 1];
    char type[TYPE_BYTES_MAX + 1];
} RecordText;

// Parses one record without its brackets, as a peer registers it: the first field is the name.
// Name, size, date, address and port are required and must be possible. A missing type is the
// name's extension; an empty one means that there is none. A last field of 64 hex digits is the
// root. *ret points into *text. *ret_syntax (may be NULL) gets what a single record shows of its
// writer's syntax: order, named, full_name, spaced, dotted, empty_type, long_year, dashed, rooted.
// 0 or -EBADMSG: not a record.
int record_parse(const char *data, size_t len, RecordText *text, Record *ret,
                 RecordSyntax *ret_syntax);

// Parses a record of a FOUND, which may omit the name. It is `searched` then.
int record_parse_found(const char *data, size_t len, const char *searched, RecordText *text,
                       Record *ret);

// Parses "name, type, size" (DOWNLOAD, REMOVE), with or without brackets. Sets only name, type and
// size.
int record_parse_file(const char *data, size_t len, RecordText *text, Record *ret);

// Splits a message into records at every < >, and at ';' within a pair. Without brackets, it splits
// at newlines, ';' and '|'. Records are views into the message, without brackets and outer spaces.
typedef struct RecordList {
    const char *next; // the rest of the message
    const char *end;
    bool brackets;     // the message has brackets
    bool in_pair;      // `next` is inside < >
    bool one_pair;     // one pair has held several records
    bool adjacent;     // two pairs touch: <r1><r2>
    char separator[3]; // between the first two records, or ""
} RecordList;

RecordList record_list(const char *data, size_t len);
// False: the end. Skips empty records.
bool record_list_next(RecordList *list, const char **ret, size_t *ret_len);
// Adds to `syntax` what the list shows of its writer, beyond what record_parse() has learnt.
void record_list_learn(const RecordList *list, RecordSyntax *syntax);

// Appends one record without brackets, with its root if it has one and syntax->rooted is set. 0 or
// -ENOMEM.
int record_format(Buffer *out, const Record *record, const RecordSyntax *syntax, bool named);

// Appends "name, type, size" in that syntax. 0 or -ENOMEM.
int record_format_file(Buffer *out, const Record *record, const RecordSyntax *syntax);

bool record_same_file(const Record *a, const Record *b); // same name, type and size
