// SPDX-License-Identifier: MIT

// Input: a stranger's text on its way to a terminal, a log or D-Bus.

#include <string.h>

#include "fuzz.h"
#include "proto/name.h"
#include "util/text.h"

static void check_prefix(const char *text) {
    size_t width = text_width(text);

    CHECK(text_prefix(text, width) == strlen(text));
    for (size_t columns = 0; columns < width && columns < 80; columns++) {
        size_t n = text_prefix(text, columns);

        CHECK(n < strlen(text));
        CHECK(text_is_utf8(text, n));
    }
}

// An encoded name must end neither a line nor a record, and must read back.
static void check_name(const char *text, size_t size) {
    char name[NAME_BYTES_MAX + 1], again[NAME_BYTES_MAX + 1];

    if (!name_is_valid(text, size))
        return;
    memcpy(name, text, size);
    name[size] = '\0';
    for (int context = NAME_IN_MESSAGE; context <= NAME_IN_RECORD; context++) {
        Buffer out = {};

        CHECK(name_encode(&out, name, context) >= 0);
        CHECK(!text_has_control(buffer_data(&out), out.size));
        if (context == NAME_IN_RECORD)
            for (const char *c = "<>;|"; *c; c++)
                CHECK(!memchr(buffer_data(&out), *c, out.size));
        CHECK(name_decode(buffer_data(&out), out.size, again, sizeof(again)) == (int)size);
        CHECK(strcmp(name, again) == 0);
        buffer_clear(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    char *escaped = text_escape(text, size);

    CHECK(escaped);
    CHECK(text_is_utf8(escaped, strlen(escaped)));
    CHECK(!text_has_control(escaped, strlen(escaped)));
    check_prefix(escaped);
    free(escaped);
    check_name(text, size);
    return 0;
}
