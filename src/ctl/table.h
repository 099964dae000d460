// SPDX-License-Identifier: MIT
#pragma once

// A table of text that fits the terminal. Cells are escaped here, so they may hold anything.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

typedef struct Column {
    const char *title;
    bool right; // aligned
    // Where the table is too wide, the columns with the highest number are cut first, down to
    // `min` columns of the terminal; 0 is never cut.
    unsigned cut;
    size_t min;
    bool middle; // is cut there: of paths the end tells most
} Column;

typedef struct TableStyle {
    size_t width; // of the terminal, 0 = any
    bool legend;  // with titles
    bool utf8;
    const char *title_begin; // escape sequences around the titles, or ""
    const char *title_end;
} TableStyle;

typedef struct Table Table;

// `columns` must outlive the table. NULL = out of memory.
Table *table_new(const Column *columns, size_t n_columns);
Table *table_free(Table *table);
DEFINE_CLEANUP_FUNC(Table, table_free);

// The next cell, row by row. Running out of memory shows in table_print().
void table_add(Table *table, const char *text);
void table_addf(Table *table, const char *format, ...) _printf_(2, 3);
// With the units below one another: "  11 B  " over " 4.0 GiB".
void table_add_size(Table *table, uint64_t bytes);

// What is said behind the last cell of the row that is complete now, after a space. Where the terminal has no room for it,
// it stands in lines of its own beneath: it is never cut.
void table_add_note(Table *table, const char *text);

// Columns of a terminal that the table takes if nothing is cut.
size_t table_full_width(const Table *table);

size_t table_rows(const Table *table);

// 0 or -ENOMEM.
int table_print(Table *table, const TableStyle *style, FILE *file);
