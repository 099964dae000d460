// SPDX-License-Identifier: MIT
#pragma once

// One record: a file at a peer. Reading tells the fields by their shape, never by their place, and
// from the end, because only the name may hold a comma.

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
    // A root of that record would not be believed: a root does not say of how many bytes it is, and these could be the two
    // hashes below the root of any larger file (BEP 52 hashes leaves and nodes alike).
    SIZE_WITHOUT_ROOT = 2 * MERKLE_HASH_BYTES,
};

typedef struct Record {
    const char *name; // valid (name_is_valid()), without its extension; borrowed
    const char *type; // valid (type_is_valid()), without dot; borrowed
    uint64_t size;    // bytes
    Date modified;
    Endpoint endpoint;
    bool has_root;
    MerkleHash
        root; // what the file is (util/merkle.h); zero if not has_root. See SIZE_WITHOUT_ROOT
} Record;

// Where a parsed record's strings live.
typedef struct RecordText {
    char name[NAME_BYTES_MAX + 1];
    char type[TYPE_BYTES_MAX + 1];
} RecordText;

// Parses one record without its brackets, as a peer registers it: the first field is the name. All of
// name, size, date, address and port must be there and possible; a missing type is the name's
// extension, an empty one means that there is none. A last field of 64 hex digits is the root. *ret points
// into *text. *ret_syntax (may be NULL) gets what one record shows of its writer's syntax: order, named,
// full_name, spaced, dotted, empty_type, long_year, dashed, rooted.
// 0, or -EBADMSG: not a record.
int record_parse(const char *data, size_t len, RecordText *text, Record *ret,
                 RecordSyntax *ret_syntax);

// The same for a record of a FOUND, which may leave the name out: it is `searched` then.
int record_parse_found(const char *data, size_t len, const char *searched, RecordText *text,
                       Record *ret);

// Parses "name, type, size" (DOWNLOAD, REMOVE), in brackets or not. Only name, type and size are set.
int record_parse_file(const char *data, size_t len, RecordText *text, Record *ret);

// Splits a message into its records: every < >, inside a pair also at ';'; without brackets at newline,
// ';' or '|'. The pieces are views into the message, without brackets and outer spaces.
typedef struct RecordList {
    const char *next; // what is still to be split
    const char *end;
    bool brackets;     // the message has some
    bool in_pair;      // `next` is inside < >
    bool one_pair;     // one pair held several records
    bool adjacent;     // nothing stands between two pairs: <r1><r2>
    char separator[3]; // between the first two records, or ""
} RecordList;

RecordList record_list(const char *data, size_t len);
// False at the end. An empty piece is skipped.
bool record_list_next(RecordList *list, const char **ret, size_t *ret_len);
// Completes what record_parse() learnt with what the list shows of its writer.
void record_list_learn(const RecordList *list, RecordSyntax *syntax);

// Appends one record, without brackets, to `out`, with its root if it has one and syntax->rooted. 0 or
// -ENOMEM.
int record_format(Buffer *out, const Record *record, const RecordSyntax *syntax, bool named);

// Appends "name, type, size" in that syntax; 0 or -ENOMEM.
int record_format_file(Buffer *out, const Record *record, const RecordSyntax *syntax);

bool record_same_file(const Record *a, const Record *b); // name, type and size
