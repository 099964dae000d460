// SPDX-License-Identifier: MIT
#pragma once

// The ways to the terminal. All text passes text_escape() here (or in table.c and progress.c), so
// that what another machine wrote may be handed in as it is.

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/table.h"
#include "util/macro.h"

typedef enum Colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
} Colour;

// Looks at stdout, stderr, NO_COLOR, TERM and the locale.
void output_open(Ctl *ctl);

// The escape sequence, or "" where there are no colours.
const char *output_colour(const Ctl *ctl, Colour colour);

// Columns of stdout or stderr if that is a terminal, else 0 = any.
size_t output_width(int fd);
// Rows of that terminal.
size_t output_rows(int fd);

// How every table on stdout looks, and one that goes with a question on stderr.
TableStyle output_table_style(const Ctl *ctl);
TableStyle output_question_style(const Ctl *ctl);

// Text without newline, control characters escaped.
void print_escaped(FILE *file, const char *format, ...) _printf_(2, 3);

// "● " in that colour, on a terminal only.
void print_bullet(const Ctl *ctl, Colour colour);

// "p2pctl: …" on stderr: the thing, and the cause.
void ctl_error(const char *format, ...) _printf_(1, 2);
// The line after it: the next step.
void ctl_hint(const char *format, ...) _printf_(1, 2);

// Prints a sentence of the daemon's, of which `about` says what it is about ("" if it does so
// itself).
void ctl_error_sentence(const char *about, const char *sentence);

// Prints each line of it, as of what the daemon has found wrong in its configuration, and returns STATUS_FAILED.
ExitStatus fail_lines(const char *text);

// Prints `cause` as that of an operation of this program's own, and returns STATUS_FAILED.
ExitStatus fail_errno(int error, const char *format, ...) _printf_(2, 3);
ExitStatus fail_memory(void);

// Refuses -H for what is about files of this host, and says how the same is done there: `verb` with its options, and
// its arguments.
ExitStatus refuse_host(const Ctl *ctl, const char *verb, int argc, char *const argv[]);
// Only the hint; `terminal`: somebody may have to type a password.
void hint_over_ssh(const Ctl *ctl, bool terminal, const char *verb, int argc, char *const argv[]);

// `text` as one word of a command line to copy; NULL if that takes more than single quotes.
char *shell_word(const char *text);

// "ft.example.org" of "ft.example.org:5555". Caller frees; NULL = no memory.
char *host_of(const char *host_port);

// JSON. Each document begins with "version".
enum {
    JSON_SCHEMA_VERSION = 1,
};
// An object that holds the version; NULL = no memory.
json_t *document_new(void);
// Prints and frees it. A document in a stream of them takes one line.
ExitStatus document_print(const Ctl *ctl, json_t *document);
ExitStatus document_print_line(const Ctl *ctl, json_t *document);
// A string, or null where it is empty or no text.
json_t *json_text(const char *text);
// Seconds since the epoch, or null where the µs are 0.
json_t *json_time(uint64_t usec);
