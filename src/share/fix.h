// SPDX-License-Identifier: MIT
#pragma once

// What `p2pctl share add --fix` changes, each change noted in the entry before it is made, and how it is undone.

#include "share/diagnosis.h"
#include "share/entry.h"

// Removes the one cause. 0; -errno, having said why it could not be done.
int fix_cause(const Ctl *ctl, const Diagnosis *diagnosis, Entry *entry);

// Lets the daemon read all that is in the share. The same.
int fix_tree(Entry *entry);

// Takes back what the entry says, but what others of the list need too, which may get it as their own. 0; -errno, having
// said what could not be taken back, which the entry is the only note of. The rest is.
int fix_undo(const Entry *entry, EntryList *others);
