// SPDX-License-Identifier: MIT
#pragma once

// The verbs of p2pctl. One table says what each takes, what --help prints about it and how the
// shells complete its arguments. The functions themselves are declared in verbs.h.

#include "ctl/options.h"

// A form of a verb that has several: `share add PATH`.
typedef struct VerbForm {
    const char *word;      // "add"; NULL: the verb alone
    const char *arguments; // "PATH", as --help shows them; NULL: none
    WordKind kind;         // of each argument
    const char *help;
    bool has_options; // the options of the verb are for this form
} VerbForm;

typedef struct Verb {
    const char *name;
    const char *arguments; // as --help shows them; NULL: none
    WordKind kind;         // of each argument, unless there are forms
    const char *help;
    const VerbForm *forms; // NULL, or ended by a form without help
    int min_args, max_args;
    const char *needed; // what the first argument is, if there must be one: "the name of a file"
    unsigned bit;       // VerbBit; 0: the verb has no options of its own
    ExitStatus (*run)(Ctl *ctl, int argc, char **argv); // NULL: help, which main.c does
} Verb;

extern const Verb VERBS[];
extern const size_t N_VERBS;

// NULL: there is no such verb.
const Verb *verb_table_find(const char *name);

// NULL: the verb has no such form.
const VerbForm *verb_table_find_form(const Verb *verb, const char *word);
