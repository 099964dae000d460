// SPDX-License-Identifier: MIT

#include "ft/ref-table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/macro.h"

enum {
    SLOTS_MIN = 16,
    // Slots that one change empties. A table shrinks to a quarter of its slots when one in eight is
    // in use. It must be moved before the new one is three quarters full, after as many additions
    // as a sixteenth of the old slots.
    MOVED_AT_ONCE = 16,
    // Slot arrays of at least this size are mapped.
    MAPPED_BYTES = 128 * 1024,
    // Emptied slots whose memory is returned at once: whole pages, which takes a few microseconds.
    SLOTS_GIVEN_BACK = 16 * 1024,
    // In a table that is three quarters full, nine of ten entries are at most this far from their
    // place.
    GUESSED_SLOTS = 8,
};

void ref_table_init(RefTable *table, RefHash hash, const void *userdata) {
    *table = (RefTable){.hash = hash, .userdata = userdata};
}

static size_t slots_bytes(const RefSlots *table) {
    return (table->mask + 1) * sizeof(*table->slots);
}

// Large arrays come from the kernel, which zeroes pages when they are first used. They return to it
// step by step.
static int slots_new(RefSlots *ret, size_t size) {
    RefSlots table = {.mask = size - 1};
    const size_t bytes = slots_bytes(&table);

    if (bytes < MAPPED_BYTES)
        table.slots = calloc(1, bytes);
    else
        table.slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!table.slots || table.slots == MAP_FAILED)
        return -ENOMEM;
    *ret = table;
    return 0;
}

static void slots_free(RefSlots *table) {
    if (table->slots && slots_bytes(table) >= MAPPED_BYTES)
        munmap(table->slots, slots_bytes(table));
    else
        free(table->slots);
    *table = (RefSlots){};
}

void ref_table_clear(RefTable *table) {
    slots_free(&table->now);
    slots_free(&table->old);
    ref_table_init(table, table->hash, table->userdata);
}

size_t ref_table_bytes(const RefTable *table) {
    size_t bytes = table->now.slots ? slots_bytes(&table->now) : 0;

    // The memory of emptied old slots has been returned.
    if (table->old.slots)
        bytes += slots_bytes(&table->old) - table->old_next * sizeof(*table->old.slots);
    return bytes;
}

// The tag uses other bits of the hash than the slot number does.
static uint32_t ref_table_tag(uint64_t hash) {
    return (uint32_t)(hash >> 32) & ~(uint32_t)REF_MAX;
}

static uint32_t ref_table_ref_of(uint32_t slot) {
    return slot & REF_MAX;
}

static uint32_t slots_find(const RefSlots *table, uint64_t hash, RefMatch match, const void *key) {
    uint32_t slot;

    if (!table->slots)
        return 0;
    for (size_t i = hash & table->mask; (slot = table->slots[i]); i = (i + 1) & table->mask)
        if ((slot & ~(uint32_t)REF_MAX) == ref_table_tag(hash) &&
            match(key, ref_table_ref_of(slot)))
            return ref_table_ref_of(slot);
    return 0;
}

uint32_t ref_table_find(const RefTable *table, uint64_t hash, RefMatch match, const void *key) {
    return slots_find(&table->now, hash, match, key) ?: slots_find(&table->old, hash, match, key);
}

void ref_table_prefetch(const RefTable *table, uint64_t hash) {
    if (table->now.slots)
        __builtin_prefetch(&table->now.slots[hash & table->now.mask]);
}

uint32_t ref_table_guess(const RefTable *table, uint64_t hash) {
    const RefSlots *now = &table->now;

    for (size_t n = 0; now->slots && n < GUESSED_SLOTS; n++) {
        uint32_t slot = now->slots[(hash + n) & now->mask];

        if (!slot)
            return 0;
        if ((slot & ~(uint32_t)REF_MAX) == ref_table_tag(hash))
            return ref_table_ref_of(slot);
    }
    return 0;
}

static void slots_add(RefSlots *table, uint64_t hash, uint32_t ref) {
    size_t i = hash & table->mask;

    while (table->slots[i])
        i = (i + 1) & table->mask;
    table->slots[i] = ref_table_tag(hash) | ref;
}

// Empties some of the old slots. Always moves whole runs of entries, so that the rest is found as
// before. If a run crosses the end of the array, the part at its start moves first.
static void ref_table_move_some(RefTable *table) {
    const size_t begun = table->old_next;
    size_t n = 0, emptied;
    uint32_t ref;

    if (!table->old.slots)
        return;
    do {
        ref = ref_table_ref_of(table->old.slots[table->old_next]);
        if (ref)
            slots_add(&table->now, table->hash(table->userdata, ref), ref);
        table->old.slots[table->old_next] = 0;
        table->old_next++;
        n++;
    } while (table->old_next <= table->old.mask && (n < MOVED_AT_ONCE || ref));
    if (table->old_next > table->old.mask) {
        slots_free(&table->old);
        return;
    }
    emptied = table->old_next / SLOTS_GIVEN_BACK * SLOTS_GIVEN_BACK;
    if (begun < emptied) // returned pages read as zero
        (void)madvise(&table->old.slots[emptied - SLOTS_GIVEN_BACK],
                      SLOTS_GIVEN_BACK * sizeof(*table->old.slots), MADV_DONTNEED);
}

static int ref_table_resize(RefTable *table, size_t size) {
    RefSlots slots;
    int r;

    while (table->old.slots)
        ref_table_move_some(table);
    r = slots_new(&slots, size);
    if (r < 0)
        return r;
    table->old = table->now;
    table->old_next = 0;
    table->now = slots;
    return 0;
}

static size_t ref_table_slot_count(const RefTable *table) {
    return table->now.slots ? table->now.mask + 1 : 0;
}

int ref_table_reserve(RefTable *table, size_t n) {
    size_t size = ref_table_slot_count(table);

    assert(n <= SLOTS_MIN / 2);
    if ((table->count + n) * 4 <= size * 3)
        return 0;
    return ref_table_resize(table, size > 0 ? size * 2 : SLOTS_MIN);
}

void ref_table_add(RefTable *table, uint64_t hash, uint32_t ref) {
    ref_table_move_some(table);
    slots_add(&table->now, hash, ref);
    table->count++;
}

// Returns the slot of the entry. NULL: not found.
static uint32_t *slots_locate(const RefSlots *table, uint64_t hash, uint32_t ref) {
    if (!table->slots)
        return NULL;
    for (size_t i = hash & table->mask; table->slots[i]; i = (i + 1) & table->mask)
        if (ref_table_ref_of(table->slots[i]) == ref)
            return &table->slots[i];
    return NULL;
}

bool ref_table_replace(RefTable *table, uint64_t hash, uint32_t ref, uint32_t other) {
    uint32_t *slot = slots_locate(&table->now, hash, ref) ?: slots_locate(&table->old, hash, ref);

    if (slot)
        *slot = ref_table_tag(hash) | other;
    return slot;
}

// Closes the gap with later entries that a lookup would not find behind it.
static void slots_remove(const RefTable *table, RefSlots *from, size_t gap) {
    for (size_t i = (gap + 1) & from->mask; from->slots[i]; i = (i + 1) & from->mask) {
        size_t home = table->hash(table->userdata, ref_table_ref_of(from->slots[i])) & from->mask;

        if (((i - home) & from->mask) < ((i - gap) & from->mask))
            continue;
        from->slots[gap] = from->slots[i];
        gap = i;
    }
    from->slots[gap] = 0;
}

void ref_table_remove(RefTable *table, uint64_t hash, uint32_t ref) {
    const uint32_t *slot = slots_locate(&table->now, hash, ref);
    const size_t size = ref_table_slot_count(table);

    if (slot)
        slots_remove(table, &table->now, slot - table->now.slots);
    else {
        slot = slots_locate(&table->old, hash, ref);
        assert(slot);
        slots_remove(table, &table->old, slot - table->old.slots);
    }
    table->count--;
    ref_table_move_some(table);
    if (!table->old.slots && size > SLOTS_MIN && table->count < size / 8)
        // if that fails, it stays large
        (void)ref_table_resize(table, MAX(size / 4, (size_t)SLOTS_MIN));
}
