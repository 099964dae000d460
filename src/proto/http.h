// SPDX-License-Identifier: MIT
#pragma once

// The head of an HTTP/1.1 message (RFC 9112): start line and header fields, nothing of the body. Pure, and
// strict where leniency lets two programs read one message in two ways: lines end in CRLF, no folded
// fields, no white space before a colon, no control characters. Used for requests by B and for responses
// by A. What the values of fields mean is in http-value.h.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_BYTES_MAX = 8192,
    HTTP_FIELDS_MAX = 64,
};

// A view into what was parsed; not terminated.
typedef struct HttpText {
    const char *data;
    size_t len;
} HttpText;

bool http_text_equal(HttpText text, const char *other);        // byte by byte
bool http_text_equal_nocase(HttpText text, const char *other); // ASCII

typedef struct HttpField {
    HttpText name;
    HttpText value; // without outer white space; may be empty
} HttpField;

typedef struct HttpHead {
    size_t len;              // bytes of the head, the empty line included: the body begins there
    HttpText method, target; // requests
    unsigned status;         // responses: 100 to 599
    unsigned minor;          // of HTTP/1.minor: 0 or 1
    HttpField fields[HTTP_FIELDS_MAX];
    size_t field_count;
} HttpHead;

typedef enum HttpParseResult {
    HTTP_OK,
    HTTP_MORE,     // not complete
    HTTP_BAD,      // never will be a head
    HTTP_TOO_LONG, // over one of the limits above
} HttpParseResult;

// *ret, with views into `data`, means something on HTTP_OK only. More bytes than the head may be there.
HttpParseResult http_request_parse(const char *data, size_t len, HttpHead *ret);
HttpParseResult http_response_parse(const char *data, size_t len, HttpHead *ret);

// The value of the field of this name, which must be there once at most. 0; -ENOENT: none; -EBADMSG:
// several.
int http_head_find(const HttpHead *head, const char *name, HttpText *ret);

// Bytes of the body as the fields frame it. 0; -ENOENT: they say nothing; -EBADMSG: they contradict
// each other, or use a coding (chunked), which nobody needs here.
int http_head_body(const HttpHead *head, uint64_t *ret);

// Whether the connection stays open behind this message: its version, and its Connection fields.
bool http_head_keeps_alive(const HttpHead *head);

typedef enum HttpGuess {
    HTTP_GUESS_NO,
    HTTP_GUESS_YES,
    HTTP_GUESS_MORE, // too short to tell
} HttpGuess;

// Whether a connection that begins so speaks HTTP: it names a method.
HttpGuess http_guess(const char *data, size_t len);
