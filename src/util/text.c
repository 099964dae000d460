// SPDX-License-Identifier: MIT

#include "util/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include <uniwidth.h>

bool text_is_utf8(const char *text, size_t len) {
    return len == 0 || (!memchr(text, '\0', len) && !u8_check((const uint8_t *) text, len));
}

static bool is_control(ucs4_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

// Overrides and isolates can make "exe.gpj" read "jpg.exe".
static bool is_bidi_override(ucs4_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_has_control(const char *text, size_t len) {
    const uint8_t *p = (const uint8_t *) (len > 0 ? text : ""), *end = p + len;

    while (p < end) {
        ucs4_t c;
        int n = u8_mbtoucr(&c, p, end - p);

        if (is_control(n > 0 ? c : *p))
            return true;
        p += n > 0 ? n : 1;
    }
    return false;
}

char *text_escape(const char *text, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *) (len > 0 ? text : ""), *end = p + len;
    char *escaped, *out;

    escaped = out = malloc(len * 4 + 1);
    if (!escaped)
        return NULL;
    while (p < end) {
        ucs4_t c;
        int n = u8_mbtoucr(&c, p, end - p);

        if (n > 0 && !is_control(c) && !is_bidi_override(c) && c != '\\') {
            memcpy(out, p, n);
            out += n;
            p += n;
            continue;
        }
        for (int i = 0; i < (n > 0 ? n : 1); i++, p++) {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[*p >> 4];
            *out++ = digits[*p & 15];
        }
    }
    *out = '\0';
    return escaped;
}

// uc_width() is -1 for controls, which nothing that is shown still holds.
static size_t char_width(ucs4_t c) {
    int width = uc_width(c, "UTF-8");

    return width > 0 ? (size_t) width : 0;
}

size_t text_prefix(const char *text, size_t columns) {
    const uint8_t *p = (const uint8_t *) text;
    size_t width = 0;
    ucs4_t c;
    int n;

    while ((n = u8_strmbtouc(&c, p)) > 0) {
        width += char_width(c);
        if (width > columns)
            break;
        p += n;
    }
    return (const char *) p - text;
}

size_t text_width(const char *text) {
    const uint8_t *p = (const uint8_t *) text;
    size_t width = 0;
    ucs4_t c;
    int n;

    while ((n = u8_strmbtouc(&c, p)) > 0) {
        width += char_width(c);
        p += n;
    }
    return width;
}
