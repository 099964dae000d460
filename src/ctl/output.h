// SPDX-License-Identifier: MIT
#pragma once

// All output to the terminal. The functions here, in table.c and in progress.c pass all text
// through text_escape(), so callers may hand in what another host has written.

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

// The escape sequence; "" without colours.
const char *output_colour(const Ctl *ctl, Colour colour);

// The columns of stdout or stderr if that is a terminal, else 0 (no limit).
size_t output_width(int fd);
// The rows of that terminal.
size_t output_rows(int fd);

// The style of every table on stdout, and that of a table above a question on stderr.
TableStyle output_table_style(const Ctl *ctl);
TableStyle output_question_style(const Ctl *ctl);

// Prints text, without a newline, and escapes control characters.
void print_escaped(FILE *file, const char *format, ...) _printf_(2, 3);

// "● " in that colour, but only on a terminal.
void print_bullet(const Ctl *ctl, Colour colour);

// "p2pctl: …" on stderr: what failed, on what, and why.
void ctl_error(const char *format, ...) _printf_(1, 2);
// The line after an error: what to do next.
void ctl_hint(const char *format, ...) _printf_(1, 2);

// Prints a sentence of the daemon as an error. `about` says what it is about, or is "" if the
// sentence does.
void ctl_error_sentence(const char *about, const char *sentence);

// Prints each line of `text` as an error, as for a configuration file. Returns STATUS_FAILED.
ExitStatus fail_lines(const char *text);

// Prints that an operation of this program failed, with the text of `error`. Returns STATUS_FAILED.
ExitStatus fail_errno(int error, const char *format, ...) _printf_(2, 3);
ExitStatus fail_memory(void);

// Refuses -H for a verb that reads files of this host, and prints the ssh command that does the
// same on the other host: `verb` with its options, and its arguments.
ExitStatus refuse_host(const Ctl *ctl, const char *verb, int argc, char *const argv[]);
// Prints only that command. `terminal`: the user may have to type a password there.
void hint_over_ssh(const Ctl *ctl, bool terminal, const char *verb, int argc, char *const argv[]);

// `text` as one word of a command line to copy; NULL if single quotes are not enough. Caller frees.
char *shell_word(const char *text);

// "ft.example.org" of "ft.example.org:5555". Caller frees; NULL = no memory.
char *host_of(const char *host_port);

// Version of the JSON documents; each begins with it.
enum {
    JSON_SCHEMA_VERSION = 1,
};
// An object with that version; NULL = no memory.
json_t *document_new(void);
// Prints and frees the document. The second puts it on one line, as in a stream of documents.
ExitStatus document_print(const Ctl *ctl, json_t *document);
ExitStatus document_print_line(const Ctl *ctl, json_t *document);
// A string; null if it is empty or not UTF-8.
json_t *json_text(const char *text);
// Seconds since the epoch; null if `usec` is 0.
json_t *json_time(uint64_t usec);
