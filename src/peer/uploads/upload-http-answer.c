// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-http-answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/date.h"
#include "proto/http-value.h"
#include "util/macro.h"
#include "util/merkle.h"

enum {
    // Room for "/pieces/ROOT" and the longest name, percent-decoded, and some more.
    PATH_BYTES_MAX = 1024,
    HEAD_BYTES_MAX = 1024,
};

static const char *http_answer_status_words(unsigned status) {
    static const struct {
        unsigned status;
        const char *words;
    } table[] = {
        {200, "OK"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {416, "Range Not Satisfiable"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (table[i].status == status)
            return table[i].words;
    return "";
}

HttpAnswer http_answer_text(unsigned status, const char *text) {
    return (HttpAnswer){.status = status, .text = text};
}

// RFC 9112, section 3.2: a request has exactly one Host; in HTTP/1.0 it may be missing.
static bool http_answer_has_host(const HttpHead *head) {
    HttpText host;
    int r = http_head_find(head, "Host", &host);

    return r == 0 || (r == -ENOENT && head->minor == 0);
}

static bool http_answer_has_body(const HttpHead *head) {
    uint64_t len = 0;
    int r = http_head_body(head, &len);

    return r != -ENOENT && (r < 0 || len > 0);
}

// Reads the ROOT from "/file/ROOT", "/file/ROOT/NAME" or "/pieces/ROOT".
static HttpAnswer http_answer_read_target(HttpText target, HttpRequest *request) {
    static const char file[] = "/file/", pieces[] = "/pieces/";
    char path[PATH_BYTES_MAX];
    const char *root;
    size_t len;
    int r;

    r = http_target_path(target, path, sizeof(path));
    if (r < 0)
        return http_answer_text(r == -ENOBUFS ? 404 : 400, "That is no path.");
    request->pieces = strncmp(path, pieces, strlen(pieces)) == 0;
    if (!request->pieces && strncmp(path, file, strlen(file)) != 0)
        return http_answer_text(404, "There are only /file/ROOT/NAME and /pieces/ROOT here.");
    root = path + (request->pieces ? strlen(pieces) : strlen(file));
    len = strcspn(root, "/");
    if (merkle_hash_parse(root, len, &request->root) < 0 || (request->pieces && root[len] != '\0'))
        return http_answer_text(404, "ROOT must be the 64 hex digits of a pieces root.");
    return (HttpAnswer){};
}

HttpAnswer http_answer_read_request(const HttpHead *head, HttpRequest *ret) {
    HttpAnswer answer;
    HttpRequest request = {.keep = http_head_keeps_alive(head), .old = head->minor == 0};
    bool get = http_text_equal(head->method, "GET");

    request.head = http_text_equal(head->method, "HEAD");
    if (!http_answer_has_host(head))
        answer = http_answer_text(400, "A request has one Host.");
    else if (http_answer_has_body(head)) {
        request.keep = false; // we do not search for the beginning of the next request
        answer = get || request.head ? http_answer_text(400, "A request has no body here.")
                                     : http_answer_text(405, "Only GET and HEAD are understood.");
    } else if (!get && !request.head)
        answer = http_answer_text(405, "Only GET and HEAD are understood.");
    else
        answer = http_answer_read_target(head->target, &request);
    request.keep = request.keep && answer.status != 400;
    *ret = request;
    return answer;
}

static void http_answer_format_etag(const MerkleHash *root,
                                    char etag[static MERKLE_TEXT_BYTES + 3]) {
    etag[0] = '"';
    merkle_hash_format(root, etag + 1);
    strcpy(etag + 1 + MERKLE_TEXT_BYTES, "\"");
}

static HttpRange http_answer_read_range(const HttpHead *head, const char *etag,
                                        HttpAnswer *answer) {
    HttpText range, condition;
    uint64_t last;
    HttpRange result;
    int r;

    if (http_head_find(head, "Range", &range) < 0)
        return HTTP_RANGE_WHOLE;
    // With If-Range, the client wants a part of this version, or all of another version. A date is
    // not precise enough to identify a version.
    r = http_head_find(head, "If-Range", &condition);
    if (r != -ENOENT && (r < 0 || !http_text_equal(condition, etag)))
        return HTTP_RANGE_WHOLE;
    result = http_parse_range(range, answer->size, &answer->offset, &last);
    if (result == HTTP_RANGE_PART)
        answer->end = last + 1;
    return result;
}

HttpAnswer http_answer_file(const HttpHead *head, const HttpRequest *request, uint64_t size,
                            time_t modified) {
    HttpAnswer answer = {.status = 200, .modified = modified};
    char etag[MERKLE_TEXT_BYTES + 3];
    HttpText tags;

    answer.size = answer.end = request->pieces ? piece_count(size) * MERKLE_HASH_BYTES : size;
    http_answer_format_etag(&request->root, etag);
    if (http_head_find(head, "If-None-Match", &tags) == 0 && http_etag_in_list(tags, etag)) {
        answer.status = 304;
        answer.end = 0;
        return answer;
    }
    switch (http_answer_read_range(head, etag, &answer)) {
    case HTTP_RANGE_PART:
        answer.status = 206;
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        answer.status = 416;
        answer.end = 0;
        answer.text = "The range lies behind the end.";
        break;
    case HTTP_RANGE_WHOLE:
        break;
    }
    return answer;
}

// Collects a head line by line. HEAD_BYTES_MAX is enough for the longest head that we write.
typedef struct Writer {
    char text[HEAD_BYTES_MAX];
    size_t len;
} Writer;

static void _printf_(2, 3) http_answer_print(Writer *writer, const char *format, ...) {
    va_list ap;

    va_start(ap, format);
    writer->len +=
        vsnprintf(writer->text + writer->len, sizeof(writer->text) - writer->len, format, ap);
    va_end(ap);
}

static void http_answer_put_date(Writer *writer, const char *name, time_t time) {
    char date[DATE_HTTP_BYTES + 1];

    date_format_http(time, date);
    http_answer_print(writer, "%s: %s\r\n", name, date);
}

// Writes the fields that identify the version of the file.
static void http_answer_put_version(Writer *writer, const HttpAnswer *answer,
                                    const HttpRequest *request) {
    char etag[MERKLE_TEXT_BYTES + 3];

    http_answer_format_etag(&request->root, etag);
    http_answer_print(writer, "ETag: %s\r\nAccept-Ranges: bytes\r\n", etag);
    http_answer_put_date(writer, "Last-Modified", answer->modified);
}

static void http_answer_put_body_fields(Writer *writer, const HttpAnswer *answer) {
    if (answer->status == 206)
        http_answer_print(writer, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                          answer->offset, answer->end - 1, answer->size);
    if (answer->status == 416)
        http_answer_print(writer, "Content-Range: bytes */%" PRIu64 "\r\n", answer->size);
    if (answer->text)
        http_answer_print(writer,
                          "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n",
                          strlen(answer->text) + 1);
    else if (answer->status != 304)
        http_answer_print(
            writer, "Content-Type: application/octet-stream\r\nContent-Length: %" PRIu64 "\r\n",
            answer->end - answer->offset);
}

int http_answer_put(Buffer *out, const HttpAnswer *answer, const HttpRequest *request, time_t now) {
    Writer writer = {};

    http_answer_print(&writer, "HTTP/1.1 %u %s\r\n", answer->status,
                      http_answer_status_words(answer->status));
    http_answer_put_date(&writer, "Date", now);
    if (answer->status < 400)
        http_answer_put_version(&writer, answer, request);
    http_answer_put_body_fields(&writer, answer);
    if (answer->status == 405)
        http_answer_print(&writer, "Allow: GET, HEAD\r\n");
    if (answer->turn.retry_seconds > 0)
        http_answer_print(&writer, "Retry-After: %u\r\n", answer->turn.retry_seconds);
    if (answer->turn.place > 0)
        http_answer_print(&writer, "Queue-Place: %u\r\n", answer->turn.place);
    if (!request->keep)
        http_answer_print(&writer, "Connection: close\r\n");
    else if (request->old)
        http_answer_print(&writer, "Connection: keep-alive\r\n");
    http_answer_print(&writer, "\r\n");
    if (answer->text && !request->head)
        http_answer_print(&writer, "%s\n", answer->text);
    return buffer_append(out, writer.text, writer.len);
}
