// SPDX-License-Identifier: MIT
#pragma once

// What `p2pctl share add --fix` changes, and how to undo it. Each change is noted in the entry
// before it is made.

#include "share/diagnosis.h"
#include "share/entry.h"

// Removes that one cause. 0, or -errno with the reason printed.
int fix_cause(const Ctl *ctl, const Diagnosis *diagnosis, Entry *entry);

// Lets the daemon read everything in the share. 0, or -errno with the reason printed.
int fix_tree(Entry *entry);

// Undoes what the entry notes, except what other shares of the list need; these get it as their
// own. 0, or -errno after printing what could not be undone. Then the entry must stay, as the only
// note of it.
int fix_undo(const Entry *entry, EntryList *others);
