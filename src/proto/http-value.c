// SPDX-License-Identifier: MIT

#include "proto/http-value.h"

#include <stdio.h>
#include <string.h>

#include "util/macro.h"
#include "util/parse-util.h"

static HttpText http_value_trim(HttpText text) {
    while (text.len > 0 && strchr(" \t", text.data[text.len - 1]))
        text.len--;
    while (text.len > 0 && strchr(" \t", *text.data)) {
        text.data++;
        text.len--;
    }
    return text;
}

// Cuts the text before the first `c`, and `c` itself, off *rest. If there is no `c`, takes all of
// it.
static HttpText http_value_cut(HttpText *rest, char c) {
    const char *at = rest->len > 0 ? memchr(rest->data, c, rest->len) : NULL;
    size_t n = at ? (size_t)(at - rest->data) : rest->len;
    HttpText before = {rest->data, n};

    n += at != NULL;
    rest->data += n;
    rest->len -= n;
    return before;
}

static bool http_value_cut_prefix(HttpText *text, const char *prefix) {
    size_t n = strlen(prefix);

    if (text->len < n || !http_text_equal_nocase((HttpText){text->data, n}, prefix))
        return false;
    text->data += n;
    text->len -= n;
    return true;
}

bool http_list_next(HttpText *rest, HttpText *ret) {
    while (rest->len > 0) {
        HttpText element = http_value_trim(http_value_cut(rest, ','));

        if (element.len == 0)
            continue;
        *ret = element;
        return true;
    }
    return false;
}

int http_parse_number(HttpText value, uint64_t *ret) {
    return parse_u64_n(value.data, value.len, ret) < 0 ? -EBADMSG : 0;
}

// Parses a position in a file, which may have any number of digits. A huge one becomes UINT64_MAX.
static bool http_value_parse_position(HttpText text, uint64_t *ret) {
    int r = parse_u64_n(text.data, text.len, ret);

    if (r == -ERANGE)
        *ret = UINT64_MAX;
    return r >= 0 || r == -ERANGE;
}

HttpRange http_parse_range(HttpText value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last) {
    uint64_t first = 0, last = UINT64_MAX;
    HttpText from;

    if (!http_value_cut_prefix(&value, "bytes=") || !memchr(value.data, '-', value.len))
        return HTTP_RANGE_WHOLE;
    value = http_value_trim(value);
    from = http_value_cut(&value, '-');
    if ((from.len > 0 && !http_value_parse_position(from, &first)) ||
        (value.len > 0 && !http_value_parse_position(value, &last)) ||
        (from.len == 0 && value.len == 0))
        return HTTP_RANGE_WHOLE; // also for "bytes=0-1,4-5"
    if (from.len == 0) {         // the last `last` bytes
        first = size - MIN(last, size);
        last = UINT64_MAX;
    }
    if (first > last)
        return HTTP_RANGE_WHOLE;
    if (first >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_last = MIN(last, size - 1);
    return HTTP_RANGE_PART;
}

int http_parse_content_range(HttpText value, uint64_t *ret_first, uint64_t *ret_last,
                             uint64_t *ret_size) {
    uint64_t first, last, size;
    HttpText from, to;

    if (!http_value_cut_prefix(&value, "bytes "))
        return -EBADMSG;
    from = http_value_cut(&value, '-');
    to = http_value_cut(&value, '/');
    if (http_parse_number(from, &first) < 0 || http_parse_number(to, &last) < 0 ||
        http_parse_number(value, &size) < 0 || first > last || last >= size)
        return -EBADMSG;
    *ret_first = first;
    *ret_last = last;
    *ret_size = size;
    return 0;
}

bool http_etag_in_list(HttpText value, const char *etag) {
    HttpText element;

    if (http_text_equal(value, "*"))
        return true;
    while (http_list_next(&value, &element)) {
        (void)http_value_cut_prefix(&element, "W/");
        if (http_text_equal(element, etag))
            return true;
    }
    return false;
}

static int http_value_percent_decode(HttpText text, char out[], size_t size) {
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '%') {
            int high = i + 2 < text.len ? parse_hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? parse_hex_digit(text.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -EBADMSG;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return -EBADMSG;
        if (n + 1 >= size)
            return -ENOBUFS;
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}

int http_target_path(HttpText target, char path[], size_t size) {
    if (http_value_cut_prefix(&target, "http://")) {
        const char *slash = memchr(target.data, '/', target.len);

        if (!slash)
            return -EBADMSG;
        target.len -= slash - target.data;
        target.data = slash;
    }
    if (target.len == 0 || *target.data != '/')
        return -EBADMSG;
    return http_value_percent_decode(http_value_cut(&target, '?'), path, size);
}
