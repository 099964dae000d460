// SPDX-License-Identifier: MIT
#pragma once

// A table of text that fits the terminal. It escapes its cells, so they may hold any text.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

typedef struct Column {
    const char *title;
    bool right; // aligned to the right
    // If the table is too wide, the columns with the highest `cut` become narrower first, down to
    // `min` columns of the terminal. A column with 0 keeps its width.
    unsigned cut;
    size_t min;
    bool middle; // cut in the middle, since the end of a path says most
} Column;

typedef struct TableStyle {
    size_t width; // columns of the terminal; 0: no limit
    bool legend;  // print the titles
    bool utf8;
    const char *title_begin; // escape sequences around the titles, or ""
    const char *title_end;
} TableStyle;

typedef struct Table Table;

// `columns` must outlive the table. NULL = out of memory.
Table *table_new(const Column *columns, size_t n_columns);
Table *table_free(Table *table);
DEFINE_CLEANUP_FUNC(Table, table_free);

// Adds the next cell, row by row. table_print() reports if memory has run out.
void table_add(Table *table, const char *text);
void table_addf(Table *table, const char *format, ...) _printf_(2, 3);
// Adds a size so that the units of all rows line up: "  11 B  " over " 4.0 GiB".
void table_add_size(Table *table, uint64_t bytes);

// Adds a note to the row that has just been completed. It stands after the last cell or, if the
// terminal has no room there, on lines of its own below. A note is never cut.
void table_add_note(Table *table, const char *text);

// The columns that the table needs if nothing is cut.
size_t table_full_width(const Table *table);

size_t table_rows(const Table *table);

// 0 or -ENOMEM.
int table_print(Table *table, const TableStyle *style, FILE *file);
