// SPDX-License-Identifier: MIT
#pragma once

// Which names have which words. 32 bits of a name's hash stand for the name, enough to find it in
// the table of names (index.c). So nothing changes here while a name has any record. Two names with
// the same 32 bits are one name here, so the caller looks at the names themselves.

#include <sodium.h>

#include "ft/posting-tree.h"
#include "util/words.h"

// A posting has the first eight bytes of a word, 32 bits of its hash, and 32 bits for the name. A
// longer word has a second posting, with a hash of these eight bytes and the next four. Without it,
// many words with the same first eight bytes, such as numbers, would be one list for a search by
// the beginning of one.
typedef struct WordIndex {
    PostingTree tree;
    uint8_t key[crypto_shorthash_KEYBYTES];
} WordIndex;

// Adds all words of a text under that name, or removes them. 0, or -ENOMEM and nothing is added.
int word_index_add(WordIndex *index, const char *text, size_t len, uint32_t name);
void word_index_remove(WordIndex *index, const char *text, size_t len, uint32_t name);

typedef struct WordRange {
    Posting from, to; // both included
} WordRange;

// Returns the range of a word's postings, ordered by name.
WordRange word_index_range(const WordIndex *index, const char *word, size_t len);

// Returns the range of all longer words with this beginning, in no order. If the beginning has more
// than twelve bytes, the range may have other words as well.
WordRange word_index_longer(const WordIndex *index, const char *word, size_t len);

static inline uint32_t posting_name(const Posting *posting) {
    return (uint32_t)posting->rest;
}
