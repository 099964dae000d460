// SPDX-License-Identifier: MIT
#pragma once

// Lists the words that may come next on a command line. The completions of bash and zsh call it
// (src/ctl/completion/), so that only the tables know the verbs and options.

#include "ctl/verb-table.h"

// The hidden verb: `p2pctl __complete WORD...` prints what the last of the words may become.
#define COMPLETION_VERB "__complete"

// Where the last word stands.
typedef enum CompletionPlace {
    COMPLETION_NOTHING, // no further word fits
    COMPLETION_OPTION,  // an option
    COMPLETION_FORM,    // a form of `verb`
    COMPLETION_WORD,    // a word of a kind: a verb, an argument or the value of an option
} CompletionPlace;

typedef struct Completion {
    CompletionPlace place;
    WordKind kind;        // of a COMPLETION_WORD
    const char *typed;    // the part of the word that has been typed
    const Verb *verb;     // NULL: there is none yet, or none of that name
    const VerbForm *form; // NULL likewise
    const char *host;     // -H, NULL: this host
    bool user;            // --user
} Completion;

// Understands the words that follow "p2pctl" up to the cursor; the last may be empty. Pure.
Completion completion_parse(int argc, char *const argv[]);

// Prints a line that tells the shell what to complete (files, hosts, words or paths), then one line
// for each candidate: the word, a tab and a description. Leaves out words with control characters.
// A candidate may contain anything else, such as $(...), so no shell may evaluate it.
void completion_print(int argc, char *const argv[]);
