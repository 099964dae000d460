// SPDX-License-Identifier: MIT
#pragma once

// The words of a file name or a search: runs of letters, marks and digits of any script. Case does
// not matter (Unicode's full case folding), nor how characters are composed (NFKC).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    // Words of one text; later ones are ignored. A name of 255 bytes with more words is a sentence.
    WORDS_MAX = 32,
    // Bytes of all words. Folding makes few texts longer.
    WORDS_BYTES_MAX = 512,
};

typedef struct Word {
    uint16_t begin, len; // in Words.text; bytes
} Word;

typedef struct Words {
    size_t n;
    Word words[WORDS_MAX]; // without duplicates, ordered by their last place in the text
    char text[WORDS_BYTES_MAX];
} Words;

// Splits valid UTF-8. If memory runs out, which only happens beyond ASCII, there are no words.
void words_split(const char *text, size_t len, Words *ret);

static inline const char *word_text(const Words *words, size_t i) {
    return words->text + words->words[i].begin;
}

// Whether this is one of the words or, with `prefix`, the beginning of one.
bool words_have(const Words *words, const char *word, size_t len, bool prefix);
