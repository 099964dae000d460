// SPDX-License-Identifier: MIT
#pragma once

// How a program writes its records. FT learns this from what a peer sends (record_parse(),
// record_list_next()) and writes FOUND to that peer in the same way. A dialect is a value, so no
// program needs a special case.

#include <stdbool.h>
#include <stdint.h>

typedef enum RecordField {
    FIELD_TYPE,
    FIELD_SIZE,
    FIELD_DATE,
    FIELD_ADDRESS,
    FIELD_PORT,
    _FIELD_COUNT,
} RecordField;

typedef struct RecordSyntax {
    uint8_t order[_FIELD_COUNT]; // RecordField, in the order behind the name
    bool named : 1;              // FOUND repeats the name
    bool full_name : 1;          // the name includes its extension
    bool spaced : 1;             // ", " separates fields, not ","
    bool dotted : 1;             // the type begins with a dot
    bool empty_type : 1;         // a file without extension has an empty type, not TYPE_NONE
    bool long_year : 1;          // 2026, not 26
    bool dashed : 1;             // 23-11-26, not 23/11/26
    bool brackets : 1;           // records are in < >
    bool one_pair : 1;           // one pair of brackets holds several records
    bool rooted : 1;             // the root, if there is one, is the last field
    char list_separator[3];      // between records
} RecordSyntax;

// The order of the seed text: <name, type, size, DD/MM/YY, address, port>. FOUND omits the name:
// <r1>, <r2>.
extern const RecordSyntax record_syntax_own;

// The same with roots: <name, type, size, DD/MM/YY, address, port, root>.
extern const RecordSyntax record_syntax_rooted;

// The program of the seed's authors: <name,address,port,.type,DD/MM/YYYY,size>. FOUND repeats the
// name: <r1;r2>. A peer uses this with an FT that only understands RAW.
extern const RecordSyntax record_syntax_authors;
