// SPDX-License-Identifier: MIT
#pragma once

// Which of the files that a search has found is meant.

#include "ctl/found.h"

// Narrows the records down to what the options, and then the user, wants, and groups them into `files`; *ret
// is one of these. `own`: ADDRESS:PORT of the own peer. STATUS_DONE, or why there is none, as has been
// printed.
ExitStatus choose_file(Ctl *ctl, const char *name, FoundList *found, const char *own,
                       FileList *files, const File **ret);

// What the user has typed as the number of one of `n`: 1 to n; 0 if nothing; -EINVAL if something else. Pure.
int choose_parse_answer(const char *line, size_t n);
