// SPDX-License-Identifier: MIT
#pragma once

// Which names have which words. A name is known by 32 bits of its hash, enough to find it in the table of names again
// (index.c); so nothing here changes while a name has records, whichever they are. Two names that have the same 32
// bits are one here: who asks looks at the names themselves.

#include <sodium.h>

#include "ft/posting-tree.h"
#include "util/words.h"

// A posting of a word: its first eight bytes, 32 bits of its hash, 32 bits of the name. Words that are longer have
// another posting, with a hash of these eight bytes and the four behind them: many words that begin with the same
// eight bytes, such as numbers, would otherwise be one list for whoever types the beginning of one.
typedef struct WordIndex {
    PostingTree tree;
    uint8_t key[crypto_shorthash_KEYBYTES];
} WordIndex;

// Adds all words of a text under that name, or takes them back. 0, or -ENOMEM and nothing is added.
int word_index_add(WordIndex *index, const char *text, size_t len, uint32_t name);
void word_index_remove(WordIndex *index, const char *text, size_t len, uint32_t name);

typedef struct WordRange {
    Posting from, to; // both included
} WordRange;

// The postings of a word, in the order of their names.
WordRange word_index_range(const WordIndex *index, const char *word, size_t len);

// Those of all longer words that begin so, in no order. Where that is of more than twelve bytes, there may be others
// among them.
WordRange word_index_longer(const WordIndex *index, const char *word, size_t len);

static inline uint32_t posting_name(const Posting *posting) {
    return (uint32_t) posting->rest;
}
