// SPDX-License-Identifier: MIT
#pragma once

// A hash table of references, small numbers, to what its owner keeps elsewhere: open addressing, four bytes a
// slot, at most three quarters full. It grows and shrinks a few slots with each change, never all at once.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REF_BITS = 26,
    REF_MAX = (1 << REF_BITS) - 1, // 1..REF_MAX
};

// The hash of what an entry refers to.
typedef uint64_t (*RefHash)(const void *userdata, uint32_t ref);
// Whether an entry is the one that is looked for.
typedef bool (*RefMatch)(const void *key, uint32_t ref);

typedef struct RefSlots {
    uint32_t *slots; // a reference, and above it bits of its hash; 0: empty
    size_t mask;     // their number - 1, a power of two
} RefSlots;

typedef struct RefTable {
    RefSlots now;
    RefSlots old;    // entries on their way into `now`; slots == NULL: none
    size_t old_next; // the slot that is emptied next
    size_t count;
    RefHash hash;
    const void *userdata;
} RefTable;

void ref_table_init(RefTable *table, RefHash hash, const void *userdata); // holds no memory yet
void ref_table_clear(RefTable *table);
size_t ref_table_bytes(const RefTable *table); // of memory that it takes

uint32_t ref_table_find(const RefTable *table, uint64_t hash, RefMatch match,
                        const void *key); // 0: none

// Hints, for many lookups at once: the first has the place fetched where such an entry is, the second says what
// it probably is (0: probably there is none), without looking at it.
void ref_table_prefetch(const RefTable *table, uint64_t hash);
uint32_t ref_table_guess(const RefTable *table, uint64_t hash);

// Makes sure that the next `n` additions do not fail; 0 or -ENOMEM.
int ref_table_reserve(RefTable *table, size_t n);
void ref_table_add(RefTable *table, uint64_t hash, uint32_t ref); // reserved

// Puts another entry of the same hash into the place of this one; false: it is not in the table.
bool ref_table_replace(RefTable *table, uint64_t hash, uint32_t ref, uint32_t other);
void ref_table_remove(RefTable *table, uint64_t hash, uint32_t ref); // which is in the table
