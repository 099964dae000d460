// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-http-answer.h"
#include "test.h"
#include "util/merkle.h"

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HOST " HTTP/1.1\r\nHost: a\r\n"

static HttpHead parse(const char *text) {
    HttpHead head;

    assert_int_equal(http_request_parse(text, strlen(text), &head), HTTP_OK);
    return head;
}

static const struct AskRow {
    const char *proves, *request;
    unsigned status; // 0: it can be answered
    bool keep, head, pieces;
} ask_rows[] = {
    {"a file", "GET /file/" ROOT "/n" HOST "\r\n", 0, true, false, false},
    {"its piece hashes", "GET /pieces/" ROOT HOST "\r\n", 0, true, false, true},
    {"HEAD", "HEAD /file/" ROOT HOST "\r\n", 0, true, true, false},
    {"close", "GET /file/" ROOT HOST "Connection: close\r\n\r\n", 0, false, false, false},
    {"1.0 needs no Host", "GET /file/" ROOT " HTTP/1.0\r\n\r\n", 0, false, false, false},
    {"1.1 does", "GET /file/" ROOT " HTTP/1.1\r\n\r\n", 400, false, false, false},
    {"an empty body is none", "GET /file/" ROOT HOST "Content-Length: 0\r\n\r\n", 0, true, false,
     false},
    {"a body", "GET /file/" ROOT HOST "Content-Length: 1\r\n\r\n", 400, false, false, false},
    {"a coded body", "GET /file/" ROOT HOST "Transfer-Encoding: x\r\n\r\n", 400, false, false,
     false},
    {"a body of another method", "POST /file/" ROOT HOST "Content-Length: 1\r\n\r\n", 405, false,
     false, false},
    {"another method", "DELETE /file/" ROOT HOST "\r\n", 405, true, false, false},
    {"methods are upper case", "Get /file/" ROOT HOST "\r\n", 405, true, false, false},
    {"no path", "GET file" HOST "\r\n", 400, false, false, false},
    {"another path", "GET /" HOST "\r\n", 404, true, false, false},
    {"a root that is too short", "GET /file/0011/n" HOST "\r\n", 404, true, false, false},
    {"a root that is too long", "GET /file/" ROOT "0" HOST "\r\n", 404, true, false, false},
    {"a name behind the hashes", "GET /pieces/" ROOT "/n" HOST "\r\n", 404, true, false, true},
};

static void test_ask(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(ask_rows); i++) {
        const struct AskRow *row = &ask_rows[i];
        const HttpHead head = parse(row->request);
        HttpAnswer answer;
        HttpRequest request;

        ROW(row);
        answer = http_answer_read_request(&head, &request);
        assert_int_equal(answer.status, row->status);
        assert_int_equal(request.keep, row->keep);
        assert_int_equal(request.head, row->head);
        assert_int_equal(request.pieces, row->pieces);
    }
}

static void test_file(void **state _unused_) {
    const HttpHead part = parse("GET /file/" ROOT HOST "Range: bytes=2-5\r\n\r\n");
    const HttpHead hashes = parse("GET /pieces/" ROOT HOST "\r\n");
    const uint64_t size = 5 * (uint64_t)PIECE_BYTES_MIN;
    HttpAnswer answer;
    HttpRequest request;

    (void)http_answer_read_request(&part, &request);
    answer = http_answer_file(&part, &request, size, 0);
    assert_int_equal(answer.status, 206);
    assert_int_equal(answer.offset, 2);
    assert_int_equal(answer.end, 6);
    assert_int_equal(answer.size, size);
    answer = http_answer_file(&part, &request, 2, 0);
    assert_int_equal(answer.status, 416);
    assert_int_equal(answer.end, 0);

    (void)http_answer_read_request(&hashes, &request);
    answer = http_answer_file(&hashes, &request, size, 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.end, 5 * MERKLE_HASH_BYTES);
}

// The longest answers that there are fit.
static void test_put(void **state _unused_) {
    const HttpRequest request = {.keep = true, .old = true};
    const HttpAnswer part = {
        .status = 206,
        .offset = UINT64_MAX - 2,
        .end = UINT64_MAX - 1,
        .size = UINT64_MAX,
    };
    HttpAnswer busy = http_answer_text(503, "Busy.");
    _cleanup_(buffer_clear) Buffer out = {};

    assert_int_equal(http_answer_put(&out, &part, &request, 0), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_string_equal(
        buffer_data(&out),
        "HTTP/1.1 206 Partial Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "ETag: \"0000000000000000000000000000000000000000000000000000000000000000\"\r\n"
        "Accept-Ranges: bytes\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Content-Range: bytes 18446744073709551613-18446744073709551613/18446744073709551615\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1\r\n"
        "Connection: keep-alive\r\n\r\n");
    buffer_clear(&out);
    busy.turn = (UploadTurn){.place = 3, .retry_seconds = 2};
    assert_int_equal(http_answer_put(&out, &busy, &(HttpRequest){}, 0), 0);
    assert_int_equal(buffer_append(&out, "", 1), 0);
    assert_string_equal(buffer_data(&out),
                        "HTTP/1.1 503 Service Unavailable\r\n"
                        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n"
                        "Retry-After: 2\r\nQueue-Place: 3\r\nConnection: close\r\n\r\nBusy.\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
