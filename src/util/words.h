// SPDX-License-Identifier: MIT
#pragma once

// The words of a file name, or of what somebody searches for: runs of letters, marks and digits of any script, without
// regard to case (Unicode's full case folding) and to the ways in which a character can be composed (NFKC).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    // Of one text; what is behind them is left out. A name of 255 bytes that has more is a sentence.
    WORDS_MAX = 32,
    // Of all of them. Folding makes few texts longer.
    WORDS_BYTES_MAX = 512,
};

typedef struct Word {
    uint16_t begin, len; // in Words.text; bytes
} Word;

typedef struct Words {
    size_t n;
    Word words[WORDS_MAX]; // each one once, in the order in which they come last
    char text[WORDS_BYTES_MAX];
} Words;

// Splits valid UTF-8. Out of memory (for anything but ASCII) leaves it without words.
void words_split(const char *text, size_t len, Words *ret);

static inline const char *word_text(const Words *words, size_t i) {
    return words->text + words->words[i].begin;
}

// Whether that is one of the words, or with `prefix` the beginning of one.
bool words_have(const Words *words, const char *word, size_t len, bool prefix);
