// SPDX-License-Identifier: MIT
#pragma once

// What stands in the header fields and targets of HTTP that we read and write (RFC 9110). Pure.

#include "proto/http.h"

// The next element of a comma-separated list, without outer white space, taken off *rest; empty ones are
// skipped. False: there is none. Not for lists with quoted commas.
bool http_list_next(HttpText *rest, HttpText *ret);

// Digits only. 0 or -EBADMSG, for a number that is too large as well.
int http_parse_number(HttpText value, uint64_t *ret);

typedef enum HttpRange {
    HTTP_RANGE_WHOLE, // several ranges, another unit, no range at all: the file as it is
    HTTP_RANGE_PART,
    HTTP_RANGE_UNSATISFIABLE, // 416
} HttpRange;

// The value of Range, asked of a file of `size` bytes. On HTTP_RANGE_PART *ret_first and *ret_last, both
// included, lie in the file: what goes beyond its end is cut, and Content-Range says so.
HttpRange http_parse_range(HttpText value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last);

// "bytes FIRST-LAST/SIZE" with FIRST <= LAST < SIZE. 0 or -EBADMSG.
int http_parse_content_range(HttpText value, uint64_t *ret_first, uint64_t *ret_last,
                             uint64_t *ret_size);

// If-None-Match: "*", or a list that has the tag, weak or strong. `etag` with its quotes.
bool http_etag_in_list(HttpText value, const char *etag);

// The path of a request target: what stands behind http://HOST in the absolute form, without "?query",
// percent-decoded. Terminated. Returns its length; -EBADMSG: it does not begin with a slash, a percent
// sign is not followed by two hex digits, or it would hold NUL; -ENOBUFS: `size` is not enough.
int http_target_path(HttpText target, char path[], size_t size);
