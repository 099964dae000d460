// SPDX-License-Identifier: MIT

#include "ctl/output.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/address.h"
#include "util/parse-util.h"
#include "util/text.h"

// With no locale set, as in many containers, the terminal still shows UTF-8.
static bool output_locale_is_utf8(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    return !getenv("LC_ALL") && !getenv("LC_CTYPE") && !getenv("LANG");
}

void output_open(Ctl *ctl) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool wanted = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;

    ctl->colour = wanted && isatty(STDOUT_FILENO);
    ctl->colour_error = wanted && isatty(STDERR_FILENO);
    ctl->utf8 = output_locale_is_utf8();
}

const char *output_colour(const Ctl *ctl, Colour colour) {
    static const char *const sequences[] = {
        [COLOUR_NONE] = "\033[0m",   [COLOUR_BOLD] = "\033[1m",   [COLOUR_DIM] = "\033[90m",
        [COLOUR_RED] = "\033[1;31m", [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
    };

    return ctl->colour ? sequences[colour] : "";
}

size_t output_width(int fd) {
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    uint64_t width;

    if (!isatty(fd))
        return 0;
    if (columns && parse_u64_range(columns, 1, 10000, &width) == 0)
        return width;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

size_t output_rows(int fd) {
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

TableStyle output_table_style(const Ctl *ctl) {
    return (TableStyle){
        .width = output_width(STDOUT_FILENO),
        .legend = ctl->legend,
        .utf8 = ctl->utf8,
        .title_begin = output_colour(ctl, COLOUR_BOLD),
        .title_end = output_colour(ctl, COLOUR_NONE),
    };
}

TableStyle output_question_style(const Ctl *ctl) {
    return (TableStyle){
        .width = output_width(STDERR_FILENO),
        .legend = true,
        .utf8 = ctl->utf8,
        .title_begin = ctl->colour_error ? "\033[1m" : "",
        .title_end = ctl->colour_error ? "\033[0m" : "",
    };
}

static void output_vprint_escaped(FILE *file, const char *format, va_list args) _printf_(2, 0);
static void output_vprint_escaped(FILE *file, const char *format, va_list args) {
    _cleanup_free_ char *raw = NULL, *escaped = NULL;

    if (vasprintf(&raw, format, args) < 0) {
        raw = NULL;
        return;
    }
    escaped = text_escape(raw, strlen(raw));
    if (escaped)
        fputs(escaped, file);
}

void print_escaped(FILE *file, const char *format, ...) {
    va_list args;

    va_start(args, format);
    output_vprint_escaped(file, format, args);
    va_end(args);
}

void print_bullet(const Ctl *ctl, Colour colour) {
    if (ctl->colour)
        printf("%s%s%s ", output_colour(ctl, colour), ctl->utf8 ? "●" : "*",
               output_colour(ctl, COLOUR_NONE));
}

void ctl_error(const char *format, ...) {
    va_list args;

    fflush(stdout); // keeps the order of both streams
    fputs("p2pctl: ", stderr);
    va_start(args, format);
    output_vprint_escaped(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void ctl_hint(const char *format, ...) {
    va_list args;

    va_start(args, format);
    output_vprint_escaped(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void ctl_error_sentence(const char *about, const char *sentence) {
    size_t len = strlen(sentence);

    ctl_error("%s%s%s%s", about, *about ? ": " : "", sentence,
              len > 0 && strchr(".!?", sentence[len - 1]) ? "" : ".");
}

ExitStatus fail_lines(const char *text) {
    _cleanup_free_ char *lines = strdup(text ?: "");
    char *rest, *line;

    if (!lines)
        return fail_memory();
    for (line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        ctl_error("%s", line);
    return STATUS_FAILED;
}

ExitStatus fail_errno(int error, const char *format, ...) {
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    ctl_error("%s: %s.", text ?: "failed", strerror(abs(error)));
    return STATUS_FAILED;
}

ExitStatus fail_memory(void) {
    ctl_error("out of memory.");
    return STATUS_FAILED;
}

void hint_over_ssh(const Ctl *ctl, bool terminal, const char *verb, int argc, char *const argv[]) {
    _cleanup_free_ char *text = NULL;
    bool plain = true;
    size_t len;
    FILE *file = open_memstream(&text, &len);

    if (!file)
        return;
    fprintf(file, "p2pctl %s", verb);
    for (int i = 0; i < argc; i++) {
        _cleanup_free_ char *word = shell_word(argv[i]);

        fprintf(file, " %s", word ?: "PATH");
        plain = plain && word && *word != '\'';
    }
    if (fclose(file) != 0)
        return;
    if (plain)
        ctl_hint("Try: ssh %s%s %s", terminal ? "-t " : "", ctl->host, text);
    else // ssh would remove the quotes
        ctl_hint("Try: ssh %s, and there: %s", ctl->host, text);
}

ExitStatus refuse_host(const Ctl *ctl, const char *verb, int argc, char *const argv[]) {
    ctl_error("%s reads files of this host, so it does not take -H.", verb);
    hint_over_ssh(ctl, false, verb, argc, argv);
    return STATUS_USAGE;
}

char *shell_word(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-+@%:,=/";
    char *quoted;

    if (!*text || *text == '-' || strpbrk(text, "'\\") || text_has_control(text, strlen(text)))
        return NULL;
    if (text[strspn(text, plain)] == '\0')
        return strdup(text);
    return asprintf(&quoted, "'%s'", text) < 0 ? NULL : quoted;
}

char *host_of(const char *host_port) {
    char *host;
    uint16_t port;

    if (!*host_port)
        return strdup("the FileTracker");
    if (host_port_split(host_port, 1, &host, &port) == 0)
        return host;
    return strdup(host_port);
}

json_t *document_new(void) {
    return json_pack("{si}", "version", JSON_SCHEMA_VERSION);
}

static ExitStatus output_print_document(json_t *document, size_t flags) {
    int r;

    // jansson prints C1 controls and bidirectional overrides as they are, and a terminal obeys
    // them.
    if (isatty(STDOUT_FILENO))
        flags |= JSON_ENSURE_ASCII;
    r = document ? json_dumpf(document, stdout, flags) : -1;
    json_decref(document);
    if (r < 0)
        return fail_memory();
    putchar('\n');
    return STATUS_DONE;
}

ExitStatus document_print(const Ctl *ctl _unused_, json_t *document) {
    return output_print_document(document, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
}

ExitStatus document_print_line(const Ctl *ctl _unused_, json_t *document) {
    return output_print_document(document, JSON_REAL_PRECISION(6));
}

json_t *json_text(const char *text) {
    return text && *text ? json_string(text) ?: json_null() : json_null();
}

json_t *json_time(uint64_t usec) {
    return usec ? json_integer((json_int_t)(usec / USEC_PER_SEC)) : json_null();
}
