// SPDX-License-Identifier: MIT

// Input: a FIND or a MATCHES, and a text to split into words.

#include <string.h>

#include "fuzz.h"
#include "proto/find.h"
#include "proto/name.h"
#include "util/text.h"
#include "util/words.h"

static void check_request(const Message *message) {
    FindRequest request, again;
    Buffer out = {};
    Message parsed;

    if (find_parse(message, &request) < 0)
        return;
    CHECK(find_text_check(request.text) == 0);
    CHECK(request.limit >= 1 && request.limit <= FIND_RESULTS_MAX);
    CHECK(find_put(&out, &request) >= 0);
    parsed = message_parse(buffer_data(&out), out.size);
    CHECK(parsed.kind == MESSAGE_FIND && find_parse(&parsed, &again) >= 0);
    CHECK(strcmp(request.text, again.text) == 0 && strcmp(request.type, again.type) == 0);
    CHECK(request.min_size == again.min_size && request.max_size == again.max_size);
    buffer_clear(&out);
}

static void check_answer(const Message *message) {
    static FoundFile files[FIND_RESULTS_MAX];
    FoundFiles found, again;
    Buffer out = {};
    Message parsed;

    if (matches_parse(message, &found) < 0)
        return;
    CHECK(found.n <= FIND_RESULTS_MAX);
    for (size_t i = 0; i < found.n; i++) {
        files[i] = found.entries[i].file;
        CHECK(name_is_valid(files[i].name, strlen(files[i].name)));
        CHECK(type_is_valid(files[i].type, strlen(files[i].type)));
    }
    CHECK(matches_put(&out, &found.summary, files, found.n) >= 0);
    CHECK(out.size <= ANSWER_BYTES_MAX);
    parsed = message_parse(buffer_data(&out), out.size);
    CHECK(parsed.kind == MESSAGE_MATCHES && matches_parse(&parsed, &again) >= 0);
    CHECK(again.n <= found.n && again.summary.total == found.summary.total);
    for (size_t i = 0; i < again.n; i++)
        CHECK(strcmp(again.entries[i].file.name, files[i].name) == 0 &&
              again.entries[i].file.size == files[i].size &&
              again.entries[i].file.sources == files[i].sources);
    found_files_clear(&again);
    found_files_clear(&found);
    buffer_clear(&out);
}

static void check_words(const char *text, size_t len) {
    Words words;

    words_split(text, len, &words);
    CHECK(words.n <= WORDS_MAX);
    for (size_t i = 0; i < words.n; i++) {
        CHECK(words.words[i].len > 0);
        CHECK(words.words[i].begin + words.words[i].len <= WORDS_BYTES_MAX);
        CHECK(!memchr(word_text(&words, i), '\0', words.words[i].len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const Message message = message_parse(text, size);

    if (message.kind == MESSAGE_FIND)
        check_request(&message);
    if (message.kind == MESSAGE_MATCHES)
        check_answer(&message);
    if (text_is_utf8(text, size))
        check_words(text, size);
    return 0;
}
