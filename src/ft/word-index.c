// SPDX-License-Identifier: MIT

#include "ft/word-index.h"

#include <endian.h>
#include <string.h>

#include "util/macro.h"

enum {
    HEAD_BYTES = 8, // bytes of a word in its first posting
    TAIL_BYTES = 4, // bytes behind them in its second posting
    // The first byte of each key of a second posting. It is in no UTF-8 text, so no first posting
    // has it.
    TAIL_MARK = 0xf8,
};

static uint64_t word_hash(const WordIndex *index, const char *text, size_t len) {
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t value;

    crypto_shorthash(hash, (const uint8_t *)text, len, index->key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static uint64_t word_key(const char text[static HEAD_BYTES]) {
    uint64_t value;

    memcpy(&value, text, sizeof(value));
    return be64toh(value);
}

static uint64_t word_head_key(const char *word, size_t len, int fill) {
    char bytes[HEAD_BYTES];

    memset(bytes, fill, sizeof(bytes));
    memcpy(bytes, word, MIN(len, sizeof(bytes)));
    return word_key(bytes);
}

static uint64_t word_tail_key(const WordIndex *index, const char *word, size_t len, int fill) {
    const uint64_t head = word_hash(index, word, HEAD_BYTES);
    char bytes[HEAD_BYTES];

    memset(bytes, fill, sizeof(bytes));
    bytes[0] = (char)TAIL_MARK;
    memcpy(bytes + 1, &head, HEAD_BYTES - TAIL_BYTES - 1);
    memcpy(bytes + HEAD_BYTES - TAIL_BYTES, word + HEAD_BYTES,
           MIN(len - HEAD_BYTES, (size_t)TAIL_BYTES));
    return word_key(bytes);
}

// Writes the postings of a word. Returns how many.
static size_t word_index_postings(const WordIndex *index, const char *word, size_t len,
                                  uint32_t name, Posting ret[static 2]) {
    const uint64_t rest = word_hash(index, word, len) << 32 | name;

    ret[0] = (Posting){word_head_key(word, len, 0), rest};
    if (len <= HEAD_BYTES)
        return 1;
    ret[1] = (Posting){word_tail_key(index, word, len, 0), rest};
    return 2;
}

static size_t word_index_all_postings(const WordIndex *index, const char *text, size_t len,
                                      uint32_t name, Posting ret[static 2 * WORDS_MAX]) {
    Words words;
    size_t n = 0;

    words_split(text, len, &words);
    for (size_t i = 0; i < words.n; i++)
        n += word_index_postings(index, word_text(&words, i), words.words[i].len, name, ret + n);
    return n;
}

int word_index_add(WordIndex *index, const char *text, size_t len, uint32_t name) {
    Posting postings[2 * WORDS_MAX];
    size_t n = word_index_all_postings(index, text, len, name, postings);

    for (size_t i = 0; i < n; i++)
        if (posting_tree_add(&index->tree, postings[i]) < 0) {
            while (i-- > 0)
                (void)posting_tree_remove(&index->tree, postings[i]);
            return -ENOMEM;
        }
    return 0;
}

void word_index_remove(WordIndex *index, const char *text, size_t len, uint32_t name) {
    Posting postings[2 * WORDS_MAX];
    size_t n = word_index_all_postings(index, text, len, name, postings);

    for (size_t i = 0; i < n; i++)
        (void)posting_tree_remove(&index->tree, postings[i]);
}

WordRange word_index_range(const WordIndex *index, const char *word, size_t len) {
    const uint64_t key = word_head_key(word, len, 0), hash = word_hash(index, word, len) << 32;

    return (WordRange){{key, hash}, {key, hash | UINT32_MAX}};
}

// A longer word has a greater key, because no byte of a word is 0. Beyond the last byte of a key,
// keys are equal.
WordRange word_index_longer(const WordIndex *index, const char *word, size_t len) {
    if (len < HEAD_BYTES)
        return (WordRange){{word_head_key(word, len, 0) + 1, 0},
                           {word_head_key(word, len, 0xff), UINT64_MAX}};
    return (WordRange){
        {word_tail_key(index, word, len, 0) + (len < HEAD_BYTES + TAIL_BYTES), 0},
        {word_tail_key(index, word, len, 0xff), UINT64_MAX},
    };
}
