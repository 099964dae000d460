// SPDX-License-Identifier: MIT

#include "util/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include <uniwidth.h>

#include "util/macro.h"

// Returns the length of the character at p, or 0 if D-Bus would reject it: not UTF-8, or a
// noncharacter of Unicode (U+FDD0..FDEF and the last two of each plane).
static size_t text_next_char(const uint8_t *p, const uint8_t *end, ucs4_t *ret) {
    int n;

    if (*p > 0 && *p < 0x80) { // most are
        *ret = *p;
        return 1;
    }
    n = u8_mbtoucr(ret, p, end - p);
    if (n <= 0 || (*ret >= 0xfdd0 && *ret <= 0xfdef) || (*ret & 0xfffe) == 0xfffe)
        return 0;
    return n;
}

bool text_is_plain(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)(text[i] - ' ') > '~' - ' ')
            return false;
    return true;
}

bool text_is_utf8(const char *text, size_t len) {
    const uint8_t *p = (const uint8_t *)(len > 0 ? text : ""), *end = p + len;

    while (p < end) {
        ucs4_t c;
        size_t n = text_next_char(p, end, &c);

        if (n == 0 || c == 0)
            return false;
        p += n;
    }
    return true;
}

static bool text_is_control(ucs4_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

// Overrides and isolates can make "exe.gpj" look like "jpg.exe".
static bool text_is_bidi_override(ucs4_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_has_control(const char *text, size_t len) {
    const uint8_t *p = (const uint8_t *)(len > 0 ? text : ""), *end = p + len;

    while (p < end) {
        ucs4_t c;
        size_t n = text_next_char(p, end, &c);

        if (text_is_control(n > 0 ? c : *p))
            return true;
        p += n > 0 ? n : 1;
    }
    return false;
}

char *text_escape(const char *text, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *)(len > 0 ? text : ""), *end = p + len;
    char *escaped, *out;

    escaped = out = malloc(len * 4 + 1);
    if (!escaped)
        return NULL;
    while (p < end) {
        ucs4_t c;
        size_t n = text_next_char(p, end, &c);

        if (n > 0 && !text_is_control(c) && !text_is_bidi_override(c) && c != '\\') {
            memcpy(out, p, n);
            out += n;
            p += n;
            continue;
        }
        for (size_t i = 0; i < MAX(n, (size_t)1); i++, p++) {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[*p >> 4];
            *out++ = digits[*p & 15];
        }
    }
    *out = '\0';
    return escaped;
}

char *text_valid(const char *text) {
    size_t len = strlen(text);

    return text_is_utf8(text, len) ? strdup(text) : text_escape(text, len);
}

// uc_width() returns -1 for control characters, which displayed text does not have.
static size_t text_char_width(ucs4_t c) {
    int width = uc_width(c, "UTF-8");

    return width > 0 ? (size_t)width : 0;
}

size_t text_prefix(const char *text, size_t columns) {
    const uint8_t *p = (const uint8_t *)text;
    size_t width = 0;
    ucs4_t c;
    int n;

    while ((n = u8_strmbtouc(&c, p)) > 0) {
        width += text_char_width(c);
        if (width > columns)
            break;
        p += n;
    }
    return (const char *)p - text;
}

size_t text_width(const char *text) {
    const uint8_t *p = (const uint8_t *)text;
    size_t width = 0;
    ucs4_t c;
    int n;

    while ((n = u8_strmbtouc(&c, p)) > 0) {
        width += text_char_width(c);
        p += n;
    }
    return width;
}
