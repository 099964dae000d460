// SPDX-License-Identifier: MIT
#pragma once

// A hash table of 32-bit references to what its owner keeps elsewhere: open addressing, four bytes a slot,
// at most three quarters full. It grows and shrinks a few slots with each change, never all at once.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The hash of what an entry refers to.
typedef uint64_t (*RefHash)(const void *userdata, uint32_t ref);
// Whether an entry is the one that is looked for.
typedef bool (*RefMatch)(const void *key, uint32_t ref);

typedef struct RefSlots {
    uint32_t *refs; // 0: empty
    size_t mask;    // their number - 1, a power of two
} RefSlots;

typedef struct RefTable {
    RefSlots slots;
    RefSlots old; // entries on their way into `slots`; refs == NULL: none
    size_t
        old_next; // the slot that is emptied next; no run of entries begins before it and goes on behind it
    size_t old_left; // slots still to be emptied
    size_t count;
    RefHash hash;
    const void *userdata;
} RefTable;

void ref_table_init(RefTable *table, RefHash hash, const void *userdata); // holds no memory yet
void ref_table_clear(RefTable *table);

// The entry's slot, in which another entry of the same hash may be put; NULL: there is none. Valid until the
// table changes.
uint32_t *ref_table_find(const RefTable *table, uint64_t hash, RefMatch match, const void *key);

// Makes sure that the next `n` additions do not fail; 0 or -ENOMEM.
int ref_table_reserve(RefTable *table, size_t n);
void ref_table_add(RefTable *table, uint64_t hash, uint32_t ref); // not 0, and reserved
void ref_table_remove(RefTable *table, uint32_t *slot);
