// SPDX-License-Identifier: MIT

#include "util/words.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "util/macro.h"

bool words_have(const Words *words, const char *word, size_t len, bool prefix) {
    for (size_t i = 0; i < words->n; i++)
        if ((prefix ? words->words[i].len >= len : words->words[i].len == len) &&
            memcmp(word_text(words, i), word, len) == 0)
            return true;
    return false;
}

// Moves a word that was there before to the end. False: it is new.
static bool words_move_last(Words *words, const char *word, size_t len) {
    for (size_t i = 0; i < words->n; i++)
        if (words->words[i].len == len && memcmp(word_text(words, i), word, len) == 0) {
            const Word moved = words->words[i];

            memmove(&words->words[i], &words->words[i + 1],
                    (words->n - i - 1) * sizeof(*words->words));
            words->words[words->n - 1] = moved;
            return true;
        }
    return false;
}

// Returns the character at p and its length. Most are ASCII.
static size_t words_next_char(const uint8_t *p, const uint8_t *end, bool *ret_of_word) {
    ucs4_t c = *p;
    int n = 1;

    if (c < 0x80)
        *ret_of_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    else {
        n = u8_mbtouc(&c, p, end - p);
        // Marks are the vowels of some scripts.
        *ret_of_word = uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
                                                               UC_CATEGORY_MASK_N);
    }
    return n;
}

// Splits text that is folded already.
static void words_split_folded(const uint8_t *text, size_t len, Words *words) {
    const uint8_t *p = text, *end = text + len;
    size_t used = 0;

    while (p < end && words->n < WORDS_MAX) {
        const uint8_t *begin = p;
        bool of_word;
        size_t n;

        while ((n = words_next_char(p, end, &of_word), of_word) && (p += n) < end)
            ;
        if (p > begin) {
            size_t word_len = MIN((size_t)(p - begin), WORDS_BYTES_MAX - used);

            if (word_len == 0)
                break;
            if (words_move_last(words, (const char *)begin, word_len))
                continue;
            memcpy(words->text + used, begin, word_len);
            words->words[words->n++] = (Word){.begin = (uint16_t)used, .len = (uint16_t)word_len};
            used += word_len;
        }
        if (p < end)
            p += n; // skips what is no part of a word
    }
}

void words_split(const char *text, size_t len, Words *ret) {
    uint8_t buffer[WORDS_BYTES_MAX], *folded = buffer;
    size_t folded_len = sizeof(buffer), i = 0;

    ret->n = 0;
    for (; i < len && i < sizeof(buffer) && (unsigned char)text[i] < 0x80; i++)
        buffer[i] = text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i];
    if (i == len) {
        words_split_folded(buffer, len, ret);
        return;
    }
    folded = u8_casefold((const uint8_t *)text, len, NULL, UNINORM_NFKC, buffer, &folded_len);
    if (!folded)
        return;
    words_split_folded(folded, folded_len, ret);
    if (folded != buffer)
        free(folded);
}
