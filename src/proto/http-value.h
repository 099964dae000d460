// SPDX-License-Identifier: MIT
#pragma once

// The values of those HTTP header fields and targets that we use (RFC 9110). Pure.

#include "proto/http.h"

// Cuts the next element of a comma-separated list off *rest, without outer white space. Skips empty
// elements. False: there is none. Does not support quoted commas.
bool http_list_next(HttpText *rest, HttpText *ret);

// Parses digits only. 0 or -EBADMSG, even if the number is too large.
int http_parse_number(HttpText value, uint64_t *ret);

typedef enum HttpRange {
    HTTP_RANGE_WHOLE, // no range, several ranges, or another unit: send the whole file
    HTTP_RANGE_PART,
    HTTP_RANGE_UNSATISFIABLE, // 416
} HttpRange;

// Parses Range for a file of `size` bytes. On HTTP_RANGE_PART, *ret_first and *ret_last, both
// included, lie in the file: a range is cut at its end, and Content-Range will say so.
HttpRange http_parse_range(HttpText value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last);

// Parses "bytes FIRST-LAST/SIZE" with FIRST <= LAST < SIZE. 0 or -EBADMSG.
int http_parse_content_range(HttpText value, uint64_t *ret_first, uint64_t *ret_last,
                             uint64_t *ret_size);

// Whether the value of If-None-Match is "*" or has the tag, weak or strong. `etag` includes its
// quotes.
bool http_etag_in_list(HttpText value, const char *etag);

// Writes the path of a request target, terminated and percent-decoded, without http://HOST and
// "?query". Returns its length. -EBADMSG: it does not begin with a slash, a percent sign lacks two
// hex digits, or it has a NUL. -ENOBUFS: it is longer than `size`.
int http_target_path(HttpText target, char path[], size_t size);
