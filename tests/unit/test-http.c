// SPDX-License-Identifier: MIT

#include "proto/http.h"
#include "test.h"
#include "util/buffer.h"

#define GET "GET / HTTP/1.1\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"

static const struct RequestRow {
    const char *proves;
    const char *data;
    size_t len;
    HttpParseResult result;
} request_rows[] = {
    {"a request", TEXT(GET "Host: a\r\n\r\n"), HTTP_OK},
    {"no fields", TEXT(GET "\r\n"), HTTP_OK},
    {"what follows is not read", TEXT(GET "\r\n\0\n\r"), HTTP_OK},
    {"1.0", TEXT("HEAD /a HTTP/1.0\r\n\r\n"), HTTP_OK},
    {"a field without a value", TEXT(GET "A:\r\nB: \t \r\n\r\n"), HTTP_OK},
    {"bytes above ASCII in target and value", TEXT("GET /\xc3\xbc HTTP/1.1\r\nA: \xff\r\n\r\n"),
     HTTP_OK},
    {"a tab in a value", TEXT(GET "A: b\tc\r\n\r\n"), HTTP_OK},
    {"nothing", TEXT(""), HTTP_MORE},
    {"a part of the first line", TEXT("GET / HT"), HTTP_MORE},
    {"no line end yet", TEXT("GET / HTTP/1.1\r"), HTTP_MORE},
    {"no empty line yet", TEXT(GET "Host: a\r\n"), HTTP_MORE},
    {"half of the empty line", TEXT(GET "Host: a\r\n\r"), HTTP_MORE},
    {"an empty line before", TEXT("\r\n" GET "\r\n"), HTTP_BAD},
    {"LF alone", TEXT("GET / HTTP/1.1\n\n"), HTTP_BAD},
    {"LF alone behind a field", TEXT(GET "Host: a\n\r\n"), HTTP_BAD},
    {"CR alone in a value", TEXT(GET "A: b\rC: d\r\n\r\n"), HTTP_BAD},
    {"CR CR LF", TEXT(GET "A: b\r\r\n\r\n"), HTTP_BAD},
    {"NUL in the target", TEXT("GET /\0 HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"NUL in a value", TEXT(GET "A: \0\r\n\r\n"), HTTP_BAD},
    {"ESC in a value", TEXT(GET "A: \033[2J\r\n\r\n"), HTTP_BAD},
    {"DEL in a value", TEXT(GET "A: \x7f\r\n\r\n"), HTTP_BAD},
    {"a folded field", TEXT(GET "A: b\r\n c\r\n\r\n"), HTTP_BAD},
    {"a fold before any field", TEXT(GET " A: b\r\n\r\n"), HTTP_BAD},
    {"white space before the colon", TEXT(GET "A : b\r\n\r\n"), HTTP_BAD},
    {"no colon", TEXT(GET "A\r\n\r\n"), HTTP_BAD},
    {"no name", TEXT(GET ": b\r\n\r\n"), HTTP_BAD},
    {"a name that is no token", TEXT(GET "A(b): c\r\n\r\n"), HTTP_BAD},
    {"no version", TEXT("GET /\r\n\r\n"), HTTP_BAD},
    {"HTTP/2", TEXT("PRI * HTTP/2.0\r\n\r\n"), HTTP_BAD},
    {"HTTP/1", TEXT("GET / HTTP/1\r\n\r\n"), HTTP_BAD},
    {"HTTP/1.10", TEXT("GET / HTTP/1.10\r\n\r\n"), HTTP_BAD},
    {"lower-case version", TEXT("GET / http/1.1\r\n\r\n"), HTTP_BAD},
    {"two spaces", TEXT("GET  / HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"a space in the target", TEXT("GET /a b HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"a space at the end", TEXT("GET / HTTP/1.1 \r\n\r\n"), HTTP_BAD},
    {"a tab instead of a space", TEXT("GET\t/ HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"a tab in the target", TEXT("GET /\t HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"a method that is no token", TEXT("G(T / HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"no method", TEXT(" / HTTP/1.1\r\n\r\n"), HTTP_BAD},
    {"a response", TEXT(OK "\r\n"), HTTP_BAD},
};

static void test_request(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(request_rows); i++) {
        const struct RequestRow *row = &request_rows[i];
        HttpHead head;

        ROW(row);
        assert_int_equal(http_request_parse(row->data, row->len, &head), row->result);
    }
}

static void test_request_parts(void **state _unused_) {
    static const char data[] =
        "GET /file/x?y HTTP/1.1\r\nHost: a:1\r\nRANGE:\t bytes=0-  \r\n\r\nGET";
    HttpHead head;
    HttpText value;

    assert_int_equal(http_request_parse(TEXT(data), &head), HTTP_OK);
    assert_int_equal(head.len, sizeof(data) - 1 - strlen("GET"));
    assert_true(http_text_equal(head.method, "GET"));
    assert_true(http_text_equal(head.target, "/file/x?y"));
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.field_count, 2);
    assert_int_equal(http_head_find(&head, "Range", &value), 0);
    assert_true(http_text_equal(value, "bytes=0-"));
    assert_int_equal(http_head_find(&head, "Hos", &value), -ENOENT);
}

// However the network splits it, a head is complete with its last byte and not before.
static void test_every_prefix(void **state _unused_) {
    static const char data[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    HttpHead head;

    for (size_t len = 0; len < sizeof(data) - 1; len++)
        assert_int_equal(http_request_parse(data, len, &head), HTTP_MORE);
    assert_int_equal(http_request_parse(TEXT(data), &head), HTTP_OK);
}

static const struct ResponseRow {
    const char *proves;
    const char *data;
    size_t len;
    HttpParseResult result;
    unsigned status;
} response_rows[] = {
    {"a response", TEXT(OK "\r\n"), HTTP_OK, 200},
    {"1.0", TEXT("HTTP/1.0 206 Partial Content\r\n\r\n"), HTTP_OK, 206},
    {"no words", TEXT("HTTP/1.1 404 \r\n\r\n"), HTTP_OK, 404},
    {"not even a space", TEXT("HTTP/1.1 503\r\n\r\n"), HTTP_OK, 503},
    {"1.2 is read as 1.1", TEXT("HTTP/1.2 200 OK\r\n\r\n"), HTTP_OK, 200},
    {"incomplete", TEXT("HTTP/1.1 20"), HTTP_MORE, 0},
    {"four digits", TEXT("HTTP/1.1 2000\r\n\r\n"), HTTP_BAD, 0},
    {"two digits", TEXT("HTTP/1.1 20\r\n\r\n"), HTTP_BAD, 0},
    {"letters", TEXT("HTTP/1.1 2x0 OK\r\n\r\n"), HTTP_BAD, 0},
    {"less than 100", TEXT("HTTP/1.1 099 OK\r\n\r\n"), HTTP_BAD, 0},
    {"more than 599", TEXT("HTTP/1.1 600 OK\r\n\r\n"), HTTP_BAD, 0},
    {"another protocol", TEXT("ICY 200 OK\r\n\r\n"), HTTP_BAD, 0},
    {"FILE", TEXT("FILE: \r\n\r\n"), HTTP_BAD, 0},
    {"a request", TEXT(GET "\r\n"), HTTP_BAD, 0},
};

static void test_response(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(response_rows); i++) {
        const struct ResponseRow *row = &response_rows[i];
        HttpHead head;

        ROW(row);
        assert_int_equal(http_response_parse(row->data, row->len, &head), row->result);
        if (row->result == HTTP_OK)
            assert_int_equal(head.status, row->status);
    }
}

static HttpParseResult parse_buffer(const Buffer *buffer, HttpHead *ret) {
    return http_request_parse(buffer_data(buffer), buffer->size, ret);
}

static void test_limits(void **state _unused_) {
    _cleanup_(buffer_clear) Buffer data = {};
    HttpHead head;

    assert_int_equal(buffer_append(&data, TEXT(GET)), 0);
    for (size_t i = 0; i < HTTP_FIELDS_MAX; i++)
        assert_int_equal(buffer_append(&data, TEXT("A: b\r\n")), 0);
    assert_int_equal(parse_buffer(&data, &head), HTTP_MORE);
    assert_int_equal(buffer_append(&data, TEXT("\r\n")), 0);
    assert_int_equal(parse_buffer(&data, &head), HTTP_OK);
    assert_int_equal(head.field_count, HTTP_FIELDS_MAX);
    data.size -= 2;
    assert_int_equal(buffer_append(&data, TEXT("A: b\r\n\r\n")), 0);
    assert_int_equal(parse_buffer(&data, &head), HTTP_TOO_LONG);

    // A head of exactly the limit, then one with one more byte.
    data.size = 0;
    assert_int_equal(buffer_append(&data, TEXT(GET "A: ")), 0);
    while (data.size < HTTP_HEAD_BYTES_MAX - 4)
        assert_int_equal(buffer_append(&data, "x", 1), 0);
    assert_int_equal(buffer_append(&data, TEXT("\r\n\r\n")), 0);
    assert_int_equal(parse_buffer(&data, &head), HTTP_OK);
    assert_int_equal(head.len, HTTP_HEAD_BYTES_MAX);
    data.size -= 4;
    assert_int_equal(buffer_append(&data, TEXT("x\r\n\r\n")), 0);
    assert_int_equal(parse_buffer(&data, &head), HTTP_TOO_LONG);
}

static const struct BodyRow {
    const char *proves;
    const char *data;
    size_t len;
    int result;
    uint64_t body;
} body_rows[] = {
    {"a length", TEXT(OK "content-length: 12\r\n\r\n"), 0, 12},
    {"none", TEXT(OK "\r\n"), -ENOENT, 0},
    {"the largest", TEXT(OK "Content-Length: 18446744073709551615\r\n\r\n"), 0, UINT64_MAX},
    {"too large", TEXT(OK "Content-Length: 18446744073709551616\r\n\r\n"), -EBADMSG, 0},
    {"a sign", TEXT(OK "Content-Length: +1\r\n\r\n"), -EBADMSG, 0},
    {"negative", TEXT(OK "Content-Length: -1\r\n\r\n"), -EBADMSG, 0},
    {"empty", TEXT(OK "Content-Length:\r\n\r\n"), -EBADMSG, 0},
    {"a list", TEXT(OK "Content-Length: 1, 1\r\n\r\n"), -EBADMSG, 0},
    {"twice the same", TEXT(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), -EBADMSG, 0},
    {"chunked", TEXT(OK "Transfer-Encoding: chunked\r\n\r\n"), -EBADMSG, 0},
    {"chunked twice", TEXT(OK "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"),
     -EBADMSG, 0},
    {"chunked and a length", TEXT(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
     -EBADMSG, 0},
};

static void test_body(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(body_rows); i++) {
        const struct BodyRow *row = &body_rows[i];
        uint64_t body = 0;
        HttpHead head;

        ROW(row);
        assert_int_equal(http_response_parse(row->data, row->len, &head), HTTP_OK);
        assert_int_equal(http_head_body(&head, &body), row->result);
        assert_int_equal(body, row->body);
    }
}

static const struct KeepRow {
    const char *proves;
    const char *data;
    size_t len;
    bool keeps;
} keep_rows[] = {
    {"1.1", TEXT(GET "\r\n"), true},
    {"1.0", TEXT("GET / HTTP/1.0\r\n\r\n"), false},
    {"close", TEXT(GET "Connection: close\r\n\r\n"), false},
    {"in any case", TEXT(GET "connection: CLOSE\r\n\r\n"), false},
    {"in a list", TEXT(GET "Connection: upgrade ,close\r\n\r\n"), false},
    {"in a second field", TEXT(GET "Connection: x\r\nConnection: close\r\n\r\n"), false},
    {"other words", TEXT(GET "Connection: closed, TE\r\n\r\n"), true},
    {"1.0 that asks", TEXT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), true},
    {"1.0 that asks for both", TEXT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
     false},
};

static void test_keeps_alive(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(keep_rows); i++) {
        const struct KeepRow *row = &keep_rows[i];
        HttpHead head;

        ROW(row);
        assert_int_equal(http_request_parse(row->data, row->len, &head), HTTP_OK);
        assert_int_equal(http_head_keeps_alive(&head), row->keeps);
    }
}

static void test_find_once(void **state _unused_) {
    HttpText value;
    HttpHead head;

    assert_int_equal(http_request_parse(TEXT(GET "A: 1\r\na: 2\r\n\r\n"), &head), HTTP_OK);
    assert_int_equal(http_head_find(&head, "A", &value), -EBADMSG);
}

static const struct GuessRow {
    const char *proves;
    const char *data;
    size_t len;
    HttpGuess guess;
} guess_rows[] = {
    {"nothing", TEXT(""), HTTP_GUESS_MORE},
    {"GET", TEXT("GET / HTTP/1.1\r\n"), HTTP_GUESS_YES},
    {"a letter", TEXT("G"), HTTP_GUESS_MORE},
    {"no space yet", TEXT("GET"), HTTP_GUESS_MORE},
    {"HEAD", TEXT("HEAD "), HTTP_GUESS_YES},
    {"a method that nobody serves", TEXT("DELETE /"), HTTP_GUESS_YES},
    {"DOWNLOAD or DELETE", TEXT("D"), HTTP_GUESS_MORE},
    {"DOWNLOAD", TEXT("DO"), HTTP_GUESS_NO},
    {"HELLO", TEXT("HEL"), HTTP_GUESS_NO},
    {"lower case", TEXT("get / HTTP/1.1\r\n"), HTTP_GUESS_NO},
    {"a longer word", TEXT("GETS "), HTTP_GUESS_NO},
    {"a record", TEXT("<"), HTTP_GUESS_NO},
};

static void test_guess(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(guess_rows); i++) {
        ROW(&guess_rows[i]);
        assert_int_equal(http_guess(guess_rows[i].data, guess_rows[i].len), guess_rows[i].guess);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),      cmocka_unit_test(test_request_parts),
        cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_response),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_body),
        cmocka_unit_test(test_keeps_alive),  cmocka_unit_test(test_find_once),
        cmocka_unit_test(test_guess),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
