// SPDX-License-Identifier: MIT

#include "ctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "ctl/format.h"
#include "util/text.h"

enum {
    GAP = 2,    // spaces between columns
    INDENT = 4, // of notes below their row
};

typedef struct TableNote {
    size_t row;
    char *text; // escaped
} TableNote;

struct Table {
    const Column *columns;
    size_t n_columns;
    char **cells; // escaped; row by row
    size_t n_cells, capacity;
    TableNote *notes; // in the order of their rows
    size_t n_notes;
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
    for (size_t i = 0; i < table->n_notes; i++)
        free(table->notes[i].text);
    free(table->cells);
    free(table->notes);
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

void table_add_note(Table *table, const char *text) {
    TableNote *notes = reallocarray(table->notes, table->n_notes + 1, sizeof(*notes));
    char *escaped = text_escape(text, strlen(text));

    table->notes = notes ?: table->notes;
    if (!notes || !escaped) {
        free(escaped);
        table->out_of_memory = true;
        return;
    }
    notes[table->n_notes++] = (TableNote){table_rows(table) - 1, escaped};
}

size_t table_rows(const Table *table) {
    return table->n_cells / table->n_columns;
}

// The width of the last cell of the row with a note after it.
static size_t table_width_with_note(const Table *table, size_t row, const char *note) {
    size_t width = text_width(table->cells[(row + 1) * table->n_columns - 1]);

    return width + (width > 0) + text_width(note);
}

// The width that each column wants, without notes. Titles count even if they are not shown, so that
// the columns are the same.
static void table_measure(const Table *table, size_t *widths) {
    for (size_t c = 0; c < table->n_columns; c++)
        widths[c] = text_width(table->columns[c].title);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t *width = &widths[i % table->n_columns];

        *width = MAX(*width, text_width(table->cells[i]));
    }
}

// Makes the next column in turn narrower by up to `excess`. Returns what is still too much, which
// is `excess` again if no column can become narrower.
static size_t table_shrink_one(const Table *table, size_t *widths, size_t excess) {
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

static void table_shrink(const Table *table, size_t *widths, size_t width) {
    size_t total = GAP * (table->n_columns - 1), excess;

    for (size_t c = 0; c < table->n_columns; c++)
        total += widths[c];
    excess = width > 0 && total > width ? total - width : 0;
    while (excess > 0) {
        size_t left = table_shrink_one(table, widths, excess);

        if (left == excess)
            break;
        excess = left;
    }
}

static void table_print_spaces(FILE *file, size_t n) {
    fprintf(file, "%*s", (int)n, "");
}

// The longest end of `text` that fits into so many columns.
static const char *table_suffix(const char *text, size_t columns) {
    size_t width = text_width(text);
    const char *end = text + (width > columns ? text_prefix(text, width - columns) : 0);

    while (text_width(end) > columns) // a wide character crosses the border
        end += MAX(text_prefix(end, 2), (size_t)1);
    return end;
}

// Prints as much of `text` as fits. Returns the columns that stay free, since a wide character may
// not fit by one column.
static size_t table_print_cut(const TableStyle *style, const Column *column, const char *text,
                              size_t width, FILE *file) {
    const char *mark = style->utf8 ? "…" : "...";
    size_t mark_width = text_width(mark), room = width > mark_width ? width - mark_width : 0;
    size_t bytes = text_prefix(text, column->middle ? room / 3 : room);
    _cleanup_free_ char *shown = strndup(text, bytes);
    size_t used = shown ? text_width(shown) : room;
    const char *end = column->middle ? table_suffix(text, room - used) : "";

    fwrite(text, 1, bytes, file);
    fprintf(file, "%s%s", mark, end);
    return room - used - text_width(end);
}

static void table_print_cell(const Table *table, const TableStyle *style, size_t c,
                             const char *text, size_t width, FILE *file) {
    bool last = c == table->n_columns - 1;
    size_t own = text_width(text), pad = width > own ? width - own : 0;

    if (table->columns[c].right)
        table_print_spaces(file, pad);
    if (own <= width)
        fputs(text, file);
    else
        pad = table_print_cut(style, &table->columns[c], text, width, file);
    if (!table->columns[c].right && !last)
        table_print_spaces(file, pad);
    if (!last)
        table_print_spaces(file, GAP);
}

// Breaks lines at spaces, and within a word only if it is longer than a line.
static void table_print_note_beneath(const char *text, size_t width, FILE *file) {
    size_t room = width > INDENT + 2 ? width - INDENT : 2; // at least one wide character

    while (*text) {
        size_t bytes = text_prefix(text, room), line = bytes;

        if (text[bytes]) {
            while (line > 0 && text[line] != ' ')
                line--;
            if (line == 0)
                line = MAX(bytes, (size_t)1); // in any case, so that the loop ends
        }
        table_print_spaces(file, INDENT);
        fwrite(text, 1, line, file);
        fputc('\n', file);
        text += line;
        text += strspn(text, " ");
    }
}

// Ends a row. `left`: the columns that the other cells leave for the last cell.
static void table_print_note(const Table *table, const TableStyle *style, const TableNote *note,
                             size_t left, FILE *file) {
    if (style->width > 0 && table_width_with_note(table, note->row, note->text) > left) {
        fputc('\n', file);
        table_print_note_beneath(note->text, style->width, file);
    } else
        fprintf(file, "%s%s\n", *table->cells[(note->row + 1) * table->n_columns - 1] ? " " : "",
                note->text);
}

static void table_print_rows(const Table *table, const TableStyle *style, const size_t *widths,
                             FILE *file) {
    size_t n = table->n_columns, others = GAP * (n - 1), left;
    size_t note = 0;

    for (size_t c = 0; c + 1 < n; c++)
        others += widths[c];
    left = style->width > others ? style->width - others : 0;
    for (size_t row = 0; row < table_rows(table); row++) {
        for (size_t c = 0; c < n; c++)
            table_print_cell(table, style, c, table->cells[row * n + c], widths[c], file);
        if (note < table->n_notes && table->notes[note].row == row)
            table_print_note(table, style, &table->notes[note++], left, file);
        else
            fputc('\n', file);
    }
}

size_t table_full_width(const Table *table) {
    _cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(*widths));
    size_t total = GAP * (table->n_columns - 1), last;

    if (!widths)
        return 0; // table_print() will report it
    table_measure(table, widths);
    for (size_t c = 0; c + 1 < table->n_columns; c++)
        total += widths[c];
    last = widths[table->n_columns - 1];
    for (size_t i = 0; i < table->n_notes; i++)
        last = MAX(last, table_width_with_note(table, table->notes[i].row, table->notes[i].text));
    return total + last;
}

int table_print(Table *table, const TableStyle *style, FILE *file) {
    _cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(*widths));

    if (table->out_of_memory || !widths)
        return -ENOMEM;
    assert(table->n_cells % table->n_columns == 0);
    table_measure(table, widths);
    table_shrink(table, widths, style->width);
    if (style->legend) {
        fputs(style->title_begin, file);
        for (size_t c = 0; c < table->n_columns; c++)
            table_print_cell(table, style, c, table->columns[c].title, widths[c], file);
        fprintf(file, "%s\n", style->title_end);
    }
    table_print_rows(table, style, widths, file);
    return 0;
}
