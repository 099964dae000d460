// SPDX-License-Identifier: MIT
#pragma once

// The head of an HTTP/1.1 message (RFC 9112): the start line and the header fields, not the body.
// Pure. It is strict where leniency lets two programs read a message in two ways: lines end in
// CRLF; folded fields, white space before a colon and control characters are errors. B parses
// requests with it, A responses. http-value.h explains the values.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_BYTES_MAX = 8192,
    HTTP_FIELDS_MAX = 64,
};

// A view into the parsed bytes, not terminated.
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
    size_t len;              // bytes of the head with the empty line; the body follows
    HttpText method, target; // requests
    unsigned status;         // responses: 100 to 599
    unsigned minor;          // of HTTP/1.minor: 0 or 1
    HttpField fields[HTTP_FIELDS_MAX];
    size_t field_count;
} HttpHead;

typedef enum HttpParseResult {
    HTTP_OK,
    HTTP_MORE,     // incomplete
    HTTP_BAD,      // not a head, whatever follows
    HTTP_TOO_LONG, // over one of the limits above
} HttpParseResult;

// Parses a head; more bytes may follow it. *ret has views into `data` and is only valid on HTTP_OK.
HttpParseResult http_request_parse(const char *data, size_t len, HttpHead *ret);
HttpParseResult http_response_parse(const char *data, size_t len, HttpHead *ret);

// Finds the field of this name, which may occur once. 0, -ENOENT: no such field, or -EBADMSG:
// several.
int http_head_find(const HttpHead *head, const char *name, HttpText *ret);

// The length of the body in bytes. 0, -ENOENT: the fields do not say, or -EBADMSG: they contradict
// each other, or use a transfer coding (chunked), which this program does not need.
int http_head_body(const HttpHead *head, uint64_t *ret);

// Whether the connection stays open after this message, judged by version and Connection.
bool http_head_keeps_alive(const HttpHead *head);

typedef enum HttpGuess {
    HTTP_GUESS_NO,
    HTTP_GUESS_YES,
    HTTP_GUESS_MORE, // too short to tell
} HttpGuess;

// Whether a connection that begins like this speaks HTTP: its first word is a method.
HttpGuess http_guess(const char *data, size_t len);
