// SPDX-License-Identifier: MIT
#pragma once

// The result of a download: renames the file, and prints a line about it.

#include <jansson.h>

#include "ctl/fetch.h"

// Gives the file its name if it is complete, and prints the result; with --json, only errors.
ExitStatus outcome_conclude(Fetch *fetch);

// Called after a signal: decides whether to keep the part.
void outcome_keep_part(Fetch *fetch);

// {name, status, saved, seconds, transfer}. NULL = no memory.
json_t *outcome_json(const Fetch *fetch, ExitStatus status);
