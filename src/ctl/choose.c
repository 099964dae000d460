// SPDX-License-Identifier: MIT

#include "ctl/choose.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"
#include "ctl/suggestion.h"
#include "ctl/table.h"
#include "util/parse-util.h"

enum {
    QUESTIONS_MAX = 3, // after that, the user does not read the question
};

int choose_parse_answer(const char *line, size_t n) {
    size_t begin = strspn(line, " \t"), len = strcspn(line + begin, " \t\r\n");
    uint64_t number;

    if (line[begin + len + strspn(line + begin + len, " \t\r\n")] != '\0')
        return -EINVAL;
    if (len == 0)
        return 0;
    if (parse_u64_n(line + begin, len, &number) < 0 || number < 1 || number > n)
        return -EINVAL;
    return (int)number;
}

static ExitStatus choose_print(const Ctl *ctl, const char *name, const FileList *list) {
    static const Column columns[] = {
        {"#", true, 0, 0},     {"NAME", false, 1, 12},    {"TYPE", false, 2, 6},
        {"SIZE", true, 0, 0},  {"MODIFIED", false, 0, 0}, {"SOURCES", true, 0, 0},
        {"ROOT", false, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    TableStyle style = output_question_style(ctl);
    size_t digits = file_list_root_digits(list);

    if (!table)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        const File *file = &list->files[i];
        char root[MERKLE_TEXT_BYTES + 1];

        file_format_root(file, digits, root);
        table_addf(table, "%zu", i + 1);
        table_add(table, file->first->name);
        table_add(table, file->first->type);
        table_add_size(table, file->first->size);
        table_add(table, file->modified);
        table_addf(table, "%zu", file->n_sources);
        table_add(table, root);
    }
    print_escaped(stderr, "Peers share different files as \"%s\":", name);
    fputc('\n', stderr);
    return table_print(table, &style, stderr) < 0 ? fail_memory() : STATUS_DONE;
}

static ExitStatus choose_ask(const Ctl *ctl, const char *name, const FileList *list,
                             const File **ret) {
    ExitStatus status = choose_print(ctl, name, list);
    _cleanup_free_ char *line = NULL;
    size_t capacity = 0;

    if (status != STATUS_DONE)
        return status;
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        int answer;

        fprintf(stderr, "Which one? 1 to %zu, or Enter for none: ", list->n);
        if (getline(&line, &capacity, stdin) < 0) {
            fputc('\n', stderr);
            break;
        }
        answer = choose_parse_answer(line, list->n);
        if (answer > 0) {
            *ret = &list->files[answer - 1];
            return STATUS_DONE;
        }
        if (answer == 0)
            break;
    }
    ctl_error("you chose none of the files called \"%s\".", name);
    return STATUS_FAILED;
}

// "9f2c81d4 (7 sources), 03bb5e90 (1 source)", and a command that names one of them.
static ExitStatus choose_print_ambiguous(const char *name, const FileList *list) {
    const Found *first = list->files[0].first;
    // Text from strangers goes into a command line only if it is one harmless word.
    _cleanup_free_ char *text = NULL, *word = shell_word(name), *type = shell_word(first->type);
    size_t digits = file_list_root_digits(list), size;
    FILE *file = open_memstream(&text, &size);
    char root[MERKLE_TEXT_BYTES + 1];

    if (!file)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        const File *f = &list->files[i];

        file_format_root(f, digits, root);
        fputs(i > 0 ? ", " : "", file);
        if (f->first->has_root)
            fprintf(file, "%s", root);
        else
            fprintf(file, "%s of %llu bytes", f->first->type, (unsigned long long)f->first->size);
        fprintf(file, " (%zu source%s)", f->n_sources, f->n_sources == 1 ? "" : "s");
    }
    if (fclose(file) != 0)
        return fail_memory();
    ctl_error("peers share different files as \"%s\": %s.", name, text);
    if (first->has_root) {
        file_format_root(&list->files[0], digits, root);
        ctl_hint("Choose one, for example: p2pctl download %s --root=%s", word ?: "NAME", root);
    } else
        ctl_hint("Choose one, for example: p2pctl download %s --type=%s --size=%llu",
                 word ?: "NAME", type ?: "TYPE", (unsigned long long)first->size);
    return STATUS_FAILED;
}

static ExitStatus choose_none_fits(Ctl *ctl, const char *name) {
    _cleanup_free_ char *word = shell_word(name);
    const char *root = ctl->download.root;

    ctl_error("no peer shares \"%s\" with that %s.", name,
              root ? "root" : "type, size, address or port");
    ctl_hint("To see all of that name: p2pctl search --exact %s", word ?: "NAME");
    return STATUS_NOTHING;
}

ExitStatus choose_file(Ctl *ctl, const char *name, FoundList *found, const char *own,
                       FileList *files, const File **ret) {
    size_t n_different, n_found = found->n;

    if (n_found == 0)
        return nobody_shares(ctl, name);
    if (found_narrow(found, name, &ctl->download, own) < 0 || found_group(found, files) < 0)
        return fail_memory();
    if (files->n == 0)
        return choose_none_fits(ctl, name);
    n_different = file_list_count_different(files);
    if (n_different == 1) {
        *ret = &files->files[0];
        return STATUS_DONE;
    }
    if (!ctl->json && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        return choose_ask(ctl, name, files, ret);
    return choose_print_ambiguous(name, files);
}
