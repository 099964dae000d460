// SPDX-License-Identifier: MIT
#pragma once

// What --help prints, made from the tables of verbs and options.

#include "ctl/verb-table.h"

// NULL: all verbs and options.
void help_print(const Verb *verb);
