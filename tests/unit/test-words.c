// SPDX-License-Identifier: MIT

#include "test.h"

#include <stdio.h>

#include "util/words.h"

static void assert_words(const char *text, const char *expected) {
    char joined[WORDS_BYTES_MAX + WORDS_MAX + 1] = "";
    size_t len = 0;
    Words words;

    words_split(text, strlen(text), &words);
    for (size_t i = 0; i < words.n; i++) {
        memcpy(joined + len, word_text(&words, i), words.words[i].len);
        len += words.words[i].len;
        joined[len++] = '|';
    }
    joined[len] = '\0';
    assert_string_equal(joined, expected);
}

static void test_split(void **state _unused_) {
    assert_words("", "");
    assert_words(" -._()[]!", "");
    assert_words("ubuntu-24.04-live-server-amd64.iso", "ubuntu|24|04|live|server|amd64|iso|");
    assert_words("(One) [Two]_three's", "one|two|three|s|");
    assert_words("a A a-b", "a|b|");
    assert_words("a b c A", "b|c|a|");
    assert_words("straße", "strasse|");
    assert_words("STRASSE", "strasse|");
    assert_words("Ärger und ÉTÉ", "ärger|und|été|");
    assert_words("e\xcc\x81t\xc3\xa9", "été|"); // composed in two ways
    assert_words("Ωmega — Привет", "ωmega|привет|");
    assert_words("हिन्दी गीत", "हिन्दी|गीत|"); // the vowels are marks
    assert_words("東京・大阪", "東京|大阪|");
    assert_words("ﬁle №５", "file|no5|");
}

static void test_limits(void **state _unused_) {
    char text[2048];
    Words words;

    memset(text, 'x', sizeof(text));
    words_split(text, sizeof(text), &words);
    assert_int_equal(words.n, 1);
    assert_int_equal(words.words[0].len, WORDS_BYTES_MAX);
    for (size_t i = 0; i < 100; i++)
        snprintf(text + 4 * i, 5, "%03zu ", i);
    words_split(text, 400, &words);
    assert_int_equal(words.n, WORDS_MAX);
    assert_memory_equal(word_text(&words, WORDS_MAX - 1), "031", 3);
    for (size_t i = 0; i < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\x9f", 2);
    words_split(text, sizeof(text), &words);
    assert_int_equal(words.words[0].len, WORDS_BYTES_MAX);
}

static void test_have(void **state _unused_) {
    Words words;

    words_split("one server", 10, &words);
    assert_true(words_have(&words, "server", 6, false));
    assert_true(words_have(&words, "serv", 4, true));
    assert_false(words_have(&words, "serv", 4, false));
    assert_false(words_have(&words, "servers", 7, true));
    assert_false(words_have(&words, "erver", 5, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
