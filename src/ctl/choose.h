// SPDX-License-Identifier: MIT
#pragma once

// Chooses one of the files that a search has found.

#include "ctl/found.h"

// Drops the records that the options exclude, groups the others into `files`, and asks the user if
// these are different files. *ret is one of `files`. `own` is the ADDRESS:PORT of this peer.
// STATUS_DONE, or an error has been printed.
ExitStatus choose_file(Ctl *ctl, const char *name, FoundList *found, const char *own,
                       FileList *files, const File **ret);

// Parses what the user has typed as one of the numbers 1 to `n`. 0: nothing; -EINVAL: something
// else. Pure.
int choose_parse_answer(const char *line, size_t n);
