// SPDX-License-Identifier: MIT
#pragma once

// The options of p2pctl. One table says which verbs take an option, what --help prints about it and
// how the shells complete its value, so a new option is one row of that table.

#include "ctl/ctl.h"

// The verbs that have options of their own. `verbs` of an Option is a set of these bits.
typedef enum VerbBit {
    VERB_DOWNLOAD = 1 << 0,
    VERB_METRICS = 1 << 1,
    VERB_SEARCH = 1 << 2,
    VERB_SHARE = 1 << 3,
    VERB_VERIFY = 1 << 4,
    VERB_ALL = (1 << 5) - 1, // also the verbs without a bit
} VerbBit;

// What a word of the command line names. Completion lists the things of that kind.
typedef enum WordKind {
    WORD_TEXT, // anything; p2pctl cannot list it
    WORD_FILE,
    WORD_HOST,
    WORD_DAEMON,
    WORD_VERB,
    WORD_SHARE, // the path of a share that `share remove` can remove
    WORD_TRANSFER,
    WORD_DOWNLOAD, // a transfer that is a download
} WordKind;

typedef struct Option {
    const char *name;
    char letter; // short form; 0: none
    unsigned verbs;
    const char *value; // what --help calls the value; NULL: the option takes none
    WordKind kind;     // of the value
    const char *help;  // lines of at most 57 columns

    // An option without a value sets this member of Ctl to `on`.
    size_t flag;
    bool on;

    // One with a value calls this instead: 0, or -EINVAL if the value is not `expected`.
    int (*take)(Ctl *ctl, const char *value);
    const char *expected; // "a number of bytes"
} Option;

// An option that means something else to another verb has a row for each of them.
extern const Option OPTIONS[];
extern const size_t N_OPTIONS;

// A set of options that were given: one bit for the first row of each name.
typedef uint64_t OptionSet;

// Reads all options of the command line, even after a wrong one; optind tells where the verb is.
// 0, or -EINVAL with the first error printed.
int options_parse(Ctl *ctl, int argc, char **argv, OptionSet *ret_given);

// Whether the verb takes all of them. `verb` has the bit of the verb, or 0. 0, or -EINVAL with the
// error printed.
int options_check(OptionSet given, unsigned verb, const char *verb_name);

// The first row of that name, which is `len` bytes long, or of that letter; NULL: there is none.
const Option *options_find(const char *name, size_t len);
const Option *options_find_letter(int letter);
