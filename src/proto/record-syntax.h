// SPDX-License-Identifier: MIT
#pragma once

// How a program writes its records. FT learns it from what a peer sends (record_parse(),
// record_list_next()) and writes FOUND to that peer in the same way, so that no program needs a case
// of its own: a dialect is a value.

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
    uint8_t order[_FIELD_COUNT]; // RecordField, as they follow the name
    bool named : 1;              // FOUND repeats the name
    bool full_name : 1;          // the name is written with its extension
    bool spaced : 1;             // fields are separated by ", " and not by ","
    bool dotted : 1;             // the type is written with its dot
    bool empty_type : 1;         // a file without extension has an empty type and not TYPE_NONE
    bool long_year : 1;          // 2026 and not 26
    bool dashed : 1;             // 23-11-26 and not 23/11/26
    bool brackets : 1;           // records stand in < >
    bool one_pair : 1;           // several records share one pair of brackets
    bool rooted : 1;             // a record that has a root ends in it
    char list_separator[3];      // between records
} RecordSyntax;

// <name, type, size, DD/MM/YY, address, port>, FOUND without the name, <r1>, <r2>: the seed's own order.
extern const RecordSyntax record_syntax_own;

// The same with roots: <name, type, size, DD/MM/YY, address, port, root>.
extern const RecordSyntax record_syntax_rooted;

// <name,address,port,.type,DD/MM/YYYY,size>, FOUND with the name, <r1;r2>: the seed authors' program,
// and what is spoken towards an FT that only knows RAW.
extern const RecordSyntax record_syntax_authors;
