// SPDX-License-Identifier: MIT
#pragma once

// A hash table of small numbers, which refer to objects that the owner stores elsewhere. It uses
// open addressing, four bytes a slot, and is at most three quarters full. It grows and shrinks a
// few slots with each change.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REF_BITS = 26,
    REF_MAX = (1 << REF_BITS) - 1, // 1..REF_MAX
};

// Returns the hash of the object that an entry refers to.
typedef uint64_t (*RefHash)(const void *userdata, uint32_t ref);
// Whether an entry refers to the object that `key` describes.
typedef bool (*RefMatch)(const void *key, uint32_t ref);

typedef struct RefSlots {
    uint32_t *slots; // each holds a reference, and bits of its hash above it; 0: empty
    size_t mask;     // how many there are, a power of two, minus 1
} RefSlots;

typedef struct RefTable {
    RefSlots now;
    RefSlots old;    // entries that move to `now`; slots == NULL: none
    size_t old_next; // the slot that is emptied next
    size_t count;
    RefHash hash;
    const void *userdata;
} RefTable;

void ref_table_init(RefTable *table, RefHash hash, const void *userdata); // allocates nothing
void ref_table_clear(RefTable *table);
size_t ref_table_bytes(const RefTable *table); // bytes of memory in use

// Returns the entry of that hash for which `match` returns true. 0: none.
uint32_t ref_table_find(const RefTable *table, uint64_t hash, RefMatch match, const void *key);

// For many lookups at once. Prefetch loads the place of such an entry. Guess returns what is
// probably the entry, without looking at the object. 0: probably none.
void ref_table_prefetch(const RefTable *table, uint64_t hash);
uint32_t ref_table_guess(const RefTable *table, uint64_t hash);

// Makes sure that the next `n` additions do not fail. 0 or -ENOMEM.
int ref_table_reserve(RefTable *table, size_t n);
void ref_table_add(RefTable *table, uint64_t hash, uint32_t ref); // after ref_table_reserve()

// Replaces an entry by another one of the same hash. False: it is not in the table.
bool ref_table_replace(RefTable *table, uint64_t hash, uint32_t ref, uint32_t other);
void ref_table_remove(RefTable *table, uint64_t hash, uint32_t ref); // it must be in the table
