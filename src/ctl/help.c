// SPDX-License-Identifier: MIT

#include "ctl/help.h"

#include <stdio.h>
#include <string.h>

#include "util/macro.h"

enum {
    HELP_COLUMN = 23, // where the text about an option begins
};

// Continues each further line of `text` in the same column.
static void help_print_text(const char *text) {
    for (;;) {
        size_t len = strcspn(text, "\n");

        printf("%.*s\n", (int)len, text);
        if (!text[len])
            return;
        text += len + 1;
        printf("%*s", HELP_COLUMN, "");
    }
}

static void help_print_option(const Option *option) {
    char letter[5] = "    ", left[64];

    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(left, sizeof(left), "  %s--%s%s%s", letter, option->name, option->value ? "=" : "",
             option->value ?: "");
    if (strlen(left) < HELP_COLUMN - 1)
        printf("%-*s", HELP_COLUMN, left);
    else
        printf("%s\n%*s", left, HELP_COLUMN, "");
    help_print_text(option->help);
}

// "Options of download and verify:"
static void help_print_heading(unsigned verbs, size_t n) {
    const char *joint = " of ";

    printf("\nOption%s", n == 1 ? "" : "s");
    for (size_t i = 0; i < N_VERBS && verbs != VERB_ALL; i++)
        if (VERBS[i].bit & verbs) {
            printf("%s%s", joint, VERBS[i].name);
            joint = " and ";
        }
    printf(":\n");
}

// A row of another set of verbs begins a new group.
static void help_print_group(unsigned verbs) {
    size_t n = 0;

    for (size_t i = 0; i < N_OPTIONS; i++)
        n += OPTIONS[i].verbs == verbs;
    help_print_heading(verbs, n);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (OPTIONS[i].verbs == verbs)
            help_print_option(&OPTIONS[i]);
}

// The groups that have one of the verbs, except the options that all verbs take.
static void help_print_groups(unsigned verbs) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (OPTIONS[i].verbs != VERB_ALL && (OPTIONS[i].verbs & verbs) &&
            (i == 0 || OPTIONS[i - 1].verbs != OPTIONS[i].verbs))
            help_print_group(OPTIONS[i].verbs);
}

static void help_print_verb(const Verb *verb) {
    printf("p2pctl [OPTIONS...] %s%s%s\n\n%s.\n", verb->name, verb->arguments ? " " : "",
           verb->arguments ?: "", verb->help);
    if (verb->forms)
        putchar('\n');
    for (const VerbForm *form = verb->forms; form && form->help; form++) {
        char left[48];

        snprintf(left, sizeof(left), "%s%s%s%s%s", verb->name, form->word ? " " : "",
                 form->word ?: "", form->arguments ? " " : "", form->arguments ?: "");
        printf("  %-24s %s\n", left, form->help);
    }
    help_print_groups(verb->bit);
    help_print_group(VERB_ALL);
}

void help_print(const Verb *verb) {
    if (verb) {
        help_print_verb(verb);
        printf("\nSee p2pctl(1).\n");
        return;
    }
    printf(
        "p2pctl [OPTIONS...] [VERB] ...\n\nShare files with other peers, and download theirs.\n\n"
        "Verbs:\n");
    for (size_t i = 0; i < N_VERBS; i++) {
        char left[48];

        snprintf(left, sizeof(left), "%s %s", VERBS[i].name, VERBS[i].arguments ?: "");
        printf("  %-23s %s\n", left, VERBS[i].help);
    }
    help_print_group(VERB_ALL);
    help_print_groups(VERB_ALL);
    printf("\nSee p2pctl(1).\n");
}
