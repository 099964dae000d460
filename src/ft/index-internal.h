// SPDX-License-Identifier: MIT
#pragma once

// What index.c (records by name) and index-find.c (names by words) share.

#include <sodium.h>

#include "ft/index.h"
#include "ft/record-store.h"
#include "ft/ref-table.h"
#include "ft/word-index.h"

enum {
    // Records of one name that a lookup looks at. Strangers may fill a name with records that come
    // last, or that have just left.
    RING_SEEN_MAX = 1024,
};

struct IndexOwner {
    RecordOwner records; // first member: RecordChunk.owner points here
    LIST_ENTRY(IndexOwner) leaving;
    uint32_t found_by; // the number of the last Find that has counted this owner
};

// All records of one name form a ring, the oldest first. If a name has several records, those of
// the same type form a second ring. So a record is found in one step, however many types a name
// has. The tables hold the first record of each ring. Most names have only one record and need no
// place in `types`.
struct Index {
    RecordStore store;
    RefTable names;
    RefTable types;
    WordIndex *words; // NULL: words are not indexed
    LIST_HEAD(, IndexOwner) leaving;
    uint64_t record_count;
    uint32_t finds; // how many there were, to number them
    uint8_t key[crypto_shorthash_KEYBYTES];
};

uint64_t index_hash(const Index *index, const char *text, size_t len);

// A name's code in the index of words: the bits of its hash that the table of names uses.
#define NAME_CODE_BITS (REF_MAX | (uint64_t)(UINT32_MAX - REF_MAX) << 32)
static inline uint32_t name_code(uint64_t hash) {
    return (uint32_t)(hash & REF_MAX) | ((uint32_t)(hash >> 32) & ~(uint32_t)REF_MAX);
}

// The same bits, at their places in the hash.
static inline uint64_t name_code_hash(uint32_t code) {
    return (code & REF_MAX) | (uint64_t)(code & ~(uint32_t)REF_MAX) << 32;
}
