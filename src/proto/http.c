// SPDX-License-Identifier: MIT

#include "proto/http.h"

#include <string.h>

#include "proto/http-value.h"
#include "util/macro.h"

bool http_text_equal(HttpText text, const char *other) {
    return text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}

static char http_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool http_text_equal_nocase(HttpText text, const char *other) {
    if (text.len != strlen(other))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (http_lower(text.data[i]) != http_lower(other[i]))
            return false;
    return true;
}

// RFC 9110, 5.6.2: tchar
static bool http_is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool http_is_token(HttpText text) {
    for (size_t i = 0; i < text.len; i++)
        if (!http_is_token_char(text.data[i]))
            return false;
    return text.len > 0;
}

static bool http_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool http_is_blank(char c) {
    return c == ' ' || c == '\t';
}

// Cuts the next line off, without its CRLF, and moves *at behind it. A line has no control
// characters except tabs, so a lone CR or LF is an error even before the line is complete.
static HttpParseResult http_next_line(const char *data, size_t len, size_t *at, HttpText *ret) {
    for (size_t i = *at; i < len; i++) {
        unsigned char c = data[i];

        if (c == '\r') {
            if (i + 1 == len)
                return HTTP_MORE;
            if (data[i + 1] != '\n')
                return HTTP_BAD;
            *ret = (HttpText){data + *at, i - *at};
            *at = i + 2;
            return HTTP_OK;
        }
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return HTTP_BAD;
    }
    return HTTP_MORE;
}

// Parses "HTTP/1.x". 1.2 and later count as 1.1.
static bool http_parse_version(HttpText text, unsigned *ret_minor) {
    if (text.len != strlen("HTTP/1.1") || memcmp(text.data, "HTTP/1.", 7) != 0 ||
        !http_is_digit(text.data[7]))
        return false;
    *ret_minor = text.data[7] > '0';
    return true;
}

// METHOD SP target SP version
static bool http_parse_request_line(HttpText line, HttpHead *head) {
    const char *end = line.data + line.len, *space;

    space = memchr(line.data, ' ', line.len);
    if (!space)
        return false;
    head->method = (HttpText){line.data, space - line.data};
    head->target.data = space + 1;
    space = memchr(head->target.data, ' ', end - head->target.data);
    if (!space)
        return false;
    head->target.len = space - head->target.data;
    return http_is_token(head->method) && head->target.len > 0 &&
           !memchr(head->target.data, '\t', head->target.len) &&
           http_parse_version((HttpText){space + 1, end - space - 1}, &head->minor);
}

// version SP three digits, then perhaps SP and a reason phrase
static bool http_parse_status_line(HttpText line, HttpHead *head) {
    const char *digits = line.data + 9;

    if (line.len < 12 || line.data[8] != ' ' ||
        !http_parse_version((HttpText){line.data, 8}, &head->minor) ||
        (line.len > 12 && line.data[12] != ' '))
        return false;
    if (digits[0] < '1' || digits[0] > '5' || !http_is_digit(digits[1]) ||
        !http_is_digit(digits[2]))
        return false;
    head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return true;
}

static bool http_parse_field(HttpText line, HttpField *ret) {
    const char *colon = memchr(line.data, ':', line.len);
    HttpText value;

    if (!colon)
        return false;
    ret->name = (HttpText){line.data, colon - line.data};
    value = (HttpText){colon + 1, line.data + line.len - colon - 1};
    while (value.len > 0 && http_is_blank(value.data[value.len - 1]))
        value.len--;
    while (value.len > 0 && http_is_blank(*value.data)) {
        value.data++;
        value.len--;
    }
    ret->value = value;
    return http_is_token(ret->name); // a folded line begins with white space, which no name has
}

typedef bool (*StartLineParser)(HttpText line, HttpHead *head);

static HttpParseResult http_parse_head(const char *data, size_t len, StartLineParser parse_start,
                                       HttpHead *ret) {
    size_t limit = MIN(len, (size_t)HTTP_HEAD_BYTES_MAX);
    HttpParseResult result;
    HttpText line;

    ret->len = ret->field_count = 0;
    result = http_next_line(data, limit, &ret->len, &line);
    if (result == HTTP_OK && !parse_start(line, ret))
        return HTTP_BAD;
    while (result == HTTP_OK) {
        result = http_next_line(data, limit, &ret->len, &line);
        if (result != HTTP_OK)
            break;
        if (line.len == 0)
            return HTTP_OK;
        if (ret->field_count == HTTP_FIELDS_MAX)
            return HTTP_TOO_LONG;
        if (!http_parse_field(line, &ret->fields[ret->field_count++]))
            return HTTP_BAD;
    }
    return result == HTTP_MORE && len >= HTTP_HEAD_BYTES_MAX ? HTTP_TOO_LONG : result;
}

HttpParseResult http_request_parse(const char *data, size_t len, HttpHead *ret) {
    return http_parse_head(data, len, http_parse_request_line, ret);
}

HttpParseResult http_response_parse(const char *data, size_t len, HttpHead *ret) {
    return http_parse_head(data, len, http_parse_status_line, ret);
}

int http_head_find(const HttpHead *head, const char *name, HttpText *ret) {
    const HttpField *found = NULL;

    for (size_t i = 0; i < head->field_count; i++) {
        if (!http_text_equal_nocase(head->fields[i].name, name))
            continue;
        if (found)
            return -EBADMSG;
        found = &head->fields[i];
    }
    if (!found)
        return -ENOENT;
    *ret = found->value;
    return 0;
}

int http_head_body(const HttpHead *head, uint64_t *ret) {
    HttpText value;
    int r;

    if (http_head_find(head, "Transfer-Encoding", &value) != -ENOENT)
        return -EBADMSG;
    r = http_head_find(head, "Content-Length", &value);
    return r < 0 ? r : http_parse_number(value, ret);
}

bool http_head_keeps_alive(const HttpHead *head) {
    bool keep = head->minor >= 1;

    for (size_t i = 0; i < head->field_count; i++) {
        HttpText rest = head->fields[i].value, word;

        if (!http_text_equal_nocase(head->fields[i].name, "Connection"))
            continue;
        while (http_list_next(&rest, &word)) {
            if (http_text_equal_nocase(word, "close"))
                return false;
            keep = keep || http_text_equal_nocase(word, "keep-alive");
        }
    }
    return keep;
}

HttpGuess http_guess(const char *data, size_t len) {
    static const char *const methods[] = {
        "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "CONNECT ", "TRACE ", "PATCH ",
    };

    for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
        size_t n = strlen(methods[i]);

        if (memcmp(data, methods[i], MIN(n, len)) == 0)
            return len >= n ? HTTP_GUESS_YES : HTTP_GUESS_MORE;
    }
    return HTTP_GUESS_NO;
}
