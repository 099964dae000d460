// SPDX-License-Identifier: MIT

#include "ctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "ctl/format.h"
#include "util/text.h"

enum {
    GAP = 2, // spaces between columns
};

struct Table {
    const Column *columns;
    size_t n_columns;
    char **cells; // escaped, row by row
    size_t n_cells, capacity;
    bool out_of_memory;
};

Table *table_new(const Column *columns, size_t n_columns) {
    Table *table = calloc(1, sizeof(*table));

    if (table) {
        table->columns = columns;
        table->n_columns = n_columns;
    }
    return table;
}

Table *table_free(Table *table) {
    if (!table)
        return NULL;
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
    return NULL;
}

void table_add(Table *table, const char *text) {
    char *cell;

    if (table->n_cells == table->capacity) {
        size_t capacity = MAX(table->capacity * 2, table->n_columns * 16);
        char **cells = reallocarray(table->cells, capacity, sizeof(*cells));

        if (!cells) {
            table->out_of_memory = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    cell = text_escape(text, strlen(text));
    if (cell)
        table->cells[table->n_cells++] = cell;
    else
        table->out_of_memory = true;
}

void table_addf(Table *table, const char *format, ...) {
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text)
        table_add(table, text);
    else
        table->out_of_memory = true;
}

void table_add_size(Table *table, uint64_t bytes) {
    char text[FORMAT_MAX];

    format_size(bytes, text);
    table_addf(table, "%s%s", text, bytes < 1024 ? "  " : "");
}

size_t table_rows(const Table *table) {
    return table->n_cells / table->n_columns;
}

// How wide each column wants to be. Titles count even without legend: the same table either way.
static void measure(const Table *table, size_t *widths) {
    for (size_t c = 0; c < table->n_columns; c++)
        widths[c] = text_width(table->columns[c].title);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t *width = &widths[i % table->n_columns];

        *width = MAX(*width, text_width(table->cells[i]));
    }
}

// Takes `excess` from the column that is to be cut next. Returns what is still too much, or the
// same as before if nothing can be cut any more.
static size_t shrink_one(const Table *table, size_t *widths, size_t excess) {
    const Column *columns = table->columns;
    size_t best = table->n_columns, room;

    for (size_t c = 0; c < table->n_columns; c++)
        if (columns[c].cut > 0 && widths[c] > columns[c].min &&
            (best == table->n_columns || columns[c].cut > columns[best].cut))
            best = c;
    if (best == table->n_columns)
        return excess;
    room = widths[best] - columns[best].min;
    widths[best] -= MIN(room, excess);
    return excess - MIN(room, excess);
}

static void shrink(const Table *table, size_t *widths, size_t width) {
    size_t total = GAP * (table->n_columns - 1), excess;

    for (size_t c = 0; c < table->n_columns; c++)
        total += widths[c];
    excess = width > 0 && total > width ? total - width : 0;
    while (excess > 0) {
        size_t left = shrink_one(table, widths, excess);

        if (left == excess)
            break;
        excess = left;
    }
}

static void print_spaces(FILE *file, size_t n) {
    fprintf(file, "%*s", (int) n, "");
}

// Prints as much of `text` as fits. Returns the columns that stay free: a wide character may not
// fit by one.
static size_t print_cut(const TableStyle *style, const char *text, size_t width, FILE *file) {
    const char *mark = style->utf8 ? "…" : "...";
    size_t mark_width = text_width(mark), room = width > mark_width ? width - mark_width : 0;
    size_t bytes = text_prefix(text, room);
    _cleanup_free_ char *shown = strndup(text, bytes);
    size_t used = shown ? text_width(shown) : room;

    fwrite(text, 1, bytes, file);
    fputs(mark, file);
    return room - used;
}

static void print_cell(const Table *table, const TableStyle *style, size_t c, const char *text,
                       size_t width, FILE *file) {
    bool last = c == table->n_columns - 1;
    size_t own = text_width(text), pad = width > own ? width - own : 0;

    if (table->columns[c].right)
        print_spaces(file, pad);
    if (own <= width)
        fputs(text, file);
    else
        pad = print_cut(style, text, width, file);
    if (!table->columns[c].right && !last)
        print_spaces(file, pad);
    if (!last)
        print_spaces(file, GAP);
}

int table_print(Table *table, const TableStyle *style, FILE *file) {
    _cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(*widths));

    if (table->out_of_memory || !widths)
        return -ENOMEM;
    assert(table->n_cells % table->n_columns == 0);
    measure(table, widths);
    shrink(table, widths, style->width);
    if (style->legend) {
        fputs(style->title_begin, file);
        for (size_t c = 0; c < table->n_columns; c++)
            print_cell(table, style, c, table->columns[c].title, widths[c], file);
        fprintf(file, "%s\n", style->title_end);
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t c = i % table->n_columns;

        print_cell(table, style, c, table->cells[i], widths[c], file);
        if (c == table->n_columns - 1)
            fputc('\n', file);
    }
    return 0;
}
