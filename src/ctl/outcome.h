// SPDX-License-Identifier: MIT
#pragma once

// What came of a download, in words: the file gets its name, and the user gets a line.

#include <jansson.h>

#include "ctl/fetch.h"

// Gives the file its name if it is whole, and prints what there is to say; text on stdout not with --json.
ExitStatus outcome_conclude(Fetch *fetch);

// After a signal: which of the parts are kept.
void outcome_keep_part(Fetch *fetch);

// {name, status, saved, seconds, transfer}. NULL = no memory.
json_t *outcome_json(const Fetch *fetch, ExitStatus status);
