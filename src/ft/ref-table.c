// SPDX-License-Identifier: MIT

#include "ft/ref-table.h"

#include <assert.h>

#include "util/macro.h"

enum {
    SLOTS_MIN = 16,
    // Slots that a change empties. A table that shrinks to a quarter when it is an eighth full must be done
    // before the new one is three quarters full: after a sixteenth of its slots' number of additions.
    MOVED_AT_ONCE = 16,
};

void ref_table_init(RefTable *table, RefHash hash, const void *userdata) {
    *table = (RefTable){.hash = hash, .userdata = userdata};
}

void ref_table_clear(RefTable *table) {
    free(table->slots.refs);
    free(table->old.refs);
    ref_table_init(table, table->hash, table->userdata);
}

static uint32_t *slots_find(const RefSlots *slots, uint64_t hash, RefMatch match, const void *key) {
    if (!slots->refs)
        return NULL;
    for (size_t i = hash & slots->mask; slots->refs[i]; i = (i + 1) & slots->mask)
        if (match(key, slots->refs[i]))
            return &slots->refs[i];
    return NULL;
}

uint32_t *ref_table_find(const RefTable *table, uint64_t hash, RefMatch match, const void *key) {
    return slots_find(&table->slots, hash, match, key) ?: slots_find(&table->old, hash, match, key);
}

static void slots_add(RefSlots *slots, uint64_t hash, uint32_t ref) {
    size_t i = hash & slots->mask;

    while (slots->refs[i])
        i = (i + 1) & slots->mask;
    slots->refs[i] = ref;
}

// Empties some of the old slots. A run of entries goes as a whole (of one across the end, the part that begins
// the slots goes first): what is left of the others is found as before.
static void move_some(RefTable *table) {
    size_t n = 0;
    uint32_t ref;

    if (!table->old.refs)
        return;
    do {
        ref = table->old.refs[table->old_next];
        if (ref)
            slots_add(&table->slots, table->hash(table->userdata, ref), ref);
        table->old.refs[table->old_next] = 0;
        table->old_next++;
        n++;
    } while (table->old_next <= table->old.mask && (n < MOVED_AT_ONCE || ref));
    if (table->old_next <= table->old.mask)
        return;
    free(table->old.refs);
    table->old = (RefSlots){};
}

static int resize(RefTable *table, size_t size) {
    uint32_t *refs;

    while (table->old.refs)
        move_some(table);
    // Many slots come from the kernel, which zeroes them when they are touched.
    refs = calloc(size, sizeof(*refs));
    if (!refs)
        return -ENOMEM;
    table->old = table->slots;
    table->slots = (RefSlots){.refs = refs, .mask = size - 1};
    table->old_next = 0;
    return 0;
}

static size_t slot_count(const RefTable *table) {
    return table->slots.refs ? table->slots.mask + 1 : 0;
}

int ref_table_reserve(RefTable *table, size_t n) {
    size_t size = slot_count(table);

    assert(n <= SLOTS_MIN / 2);
    if ((table->count + n) * 4 <= size * 3)
        return 0;
    return resize(table, size > 0 ? size * 2 : SLOTS_MIN);
}

void ref_table_add(RefTable *table, uint64_t hash, uint32_t ref) {
    move_some(table);
    slots_add(&table->slots, hash, ref);
    table->count++;
}

static bool owns(const RefSlots *slots, const uint32_t *slot) {
    return slots->refs && slot >= slots->refs && slot <= slots->refs + slots->mask;
}

// Closes the gap with those behind it that would not be found across it.
static void slots_remove(const RefTable *table, RefSlots *slots, size_t gap) {
    for (size_t i = (gap + 1) & slots->mask; slots->refs[i]; i = (i + 1) & slots->mask) {
        size_t home = table->hash(table->userdata, slots->refs[i]) & slots->mask;

        if (((i - home) & slots->mask) < ((i - gap) & slots->mask))
            continue;
        slots->refs[gap] = slots->refs[i];
        gap = i;
    }
    slots->refs[gap] = 0;
}

void ref_table_remove(RefTable *table, uint32_t *slot) {
    RefSlots *slots = owns(&table->slots, slot) ? &table->slots : &table->old;
    size_t size = slot_count(table);

    slots_remove(table, slots, slot - slots->refs);
    table->count--;
    move_some(table);
    if (!table->old.refs && size > SLOTS_MIN && table->count < size / 8)
        (void) resize(table, MAX(size / 4, (size_t) SLOTS_MIN)); // it may stay large, too
}
