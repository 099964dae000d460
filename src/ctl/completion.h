// SPDX-License-Identifier: MIT
#pragma once

// What may come next on a command line that is being typed. The completions of bash and zsh ask for
// it (src/ctl/completion/), so that verbs and options are known in one place only.

#include "ctl/verb-table.h"

// The hidden verb: `p2pctl __complete WORD...` prints what the last of the words may become.
#define COMPLETION_VERB "__complete"

// What the last word is a part of.
typedef enum CompletionPlace {
    COMPLETION_NOTHING, // no further word fits
    COMPLETION_OPTION,  // an option
    COMPLETION_FORM,    // a form of `verb`
    COMPLETION_WORD,    // a word of a kind: a verb, an argument or the value of an option
} CompletionPlace;

typedef struct Completion {
    CompletionPlace place;
    WordKind kind;        // of a COMPLETION_WORD
    const char *typed;    // what stands there already
    const Verb *verb;     // NULL: there is none yet, or none of that name
    const VerbForm *form; // NULL likewise
    const char *host;     // -H, NULL: this host
    bool user;            // --user
} Completion;

// Understands the words that follow "p2pctl" up to the cursor; the last may be empty. Pure.
Completion completion_parse(int argc, char *const argv[]);

// Prints a line that says how the shell has to go on (files, hosts, words or paths), then one line
// for each candidate: the word and, after a tab, what it is. Leaves out words with control
// characters. The candidates may hold anything else, such as $(...), so no shell may evaluate them.
void completion_print(int argc, char *const argv[]);
