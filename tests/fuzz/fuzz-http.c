// SPDX-License-Identifier: MIT

// Input: '<' (a response) or another byte (a request), then the bytes of a connection. However the
// network splits it, a head is the same: a decision about a prefix holds when more arrives.

#include <string.h>

#include "fuzz.h"
#include "proto/http-value.h"
#include "proto/http.h"

typedef HttpParseResult (*Parser)(const char *data, size_t len, HttpHead *ret);

static void check_view(HttpText view, const char *data, size_t len) {
    CHECK(view.data >= data && view.data + view.len <= data + len);
    for (size_t i = 0; i < view.len; i++)
        CHECK(view.data[i] != '\0' && view.data[i] != '\r' && view.data[i] != '\n');
}

static void check_values(HttpText value) {
    uint64_t first, last, size;
    char path[64];
    HttpText rest = value, element;
    int n;

    if (http_parse_range(value, 1000, &first, &last) == HTTP_RANGE_PART)
        CHECK(first <= last && last < 1000);
    if (http_parse_content_range(value, &first, &last, &size) == 0)
        CHECK(first <= last && last < size);
    while (http_list_next(&rest, &element))
        CHECK(element.len > 0);
    (void)http_etag_in_list(value, "\"x\"");
    n = http_target_path(value, path, sizeof(path));
    CHECK(n < 0 || (path[0] == '/' && strlen(path) == (size_t)n));
}

static void check_head(const HttpHead *head, const char *data) {
    uint64_t body;

    CHECK(head->len > 0 && head->len <= HTTP_HEAD_BYTES_MAX);
    CHECK(head->field_count <= HTTP_FIELDS_MAX);
    CHECK(memcmp(data + head->len - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < head->field_count; i++) {
        check_view(head->fields[i].name, data, head->len);
        check_view(head->fields[i].value, data, head->len);
        check_values(head->fields[i].value);
    }
    (void)http_head_body(head, &body);
    (void)http_head_keeps_alive(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes;
    HttpParseResult whole;
    HttpHead head, part;
    Parser parser;

    if (size < 1)
        return 0;
    bytes = (const char *)data + 1;
    size--;
    parser = data[0] == '<' ? http_response_parse : http_request_parse;
    whole = parser(bytes, size, &head);
    if (whole == HTTP_OK) {
        check_head(&head, bytes);
        if (parser == http_request_parse) {
            check_view(head.method, bytes, head.len);
            check_view(head.target, bytes, head.len);
            check_values(head.target);
        }
    }
    for (size_t len = 0; len < size; len += 1 + len / 16) {
        HttpParseResult result = parser(bytes, len, &part);

        CHECK(result == HTTP_MORE || result == whole);
        CHECK(result != HTTP_OK || part.len == head.len);
    }
    CHECK(http_guess(bytes, size) != HTTP_GUESS_YES || http_guess(bytes, 1) != HTTP_GUESS_NO);
    return 0;
}
