// SPDX-License-Identifier: MIT
#pragma once

// What B answers to an HTTP request: decided and written here, without I/O, from the request's head
// and what the file is. GET and HEAD of
//
//   /file/ROOT/NAME   the file; NAME is for whoever saves it, only ROOT counts
//   /pieces/ROOT      the hashes of its pieces (util/merkle.h), 32 bytes each
//
// Both have ETag "ROOT", since a root names bytes that never change, and both take a Range.

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "peer/uploads/upload-queue.h"
#include "proto/http.h"
#include "util/buffer.h"
#include "util/merkle-hash.h"

typedef struct HttpRequest {
    bool head;   // no body is wanted
    bool pieces; // not the file
    MerkleHash root;
    bool keep; // the connection stays open
    bool old;  // HTTP/1.0 that asks for that
} HttpRequest;

typedef struct HttpAnswer {
    unsigned status;
    const char *text;     // the body of what is no success, a sentence; static
    uint64_t offset, end; // 200, 206: these bytes of the file or of the piece hashes
    uint64_t size;        // 200, 206, 304, 416: of how many
    time_t modified;      // likewise
    UploadTurn turn;      // 503
} HttpAnswer;

// Whether the request can be answered at all. Status 0: it asks for *ret; else the answer.
HttpAnswer http_answer_read_request(const HttpHead *head, HttpRequest *ret);

// The answer if that root is a file of `size` bytes: 200, 206, 304 or 416. HEAD is answered as GET.
HttpAnswer http_answer_file(const HttpHead *head, const HttpRequest *request, uint64_t size,
                            time_t modified);

// An answer in words.
HttpAnswer http_answer_text(unsigned status, const char *text);

// Appends head and text, but for HEAD only the head. 0 or -ENOMEM.
int http_answer_put(Buffer *out, const HttpAnswer *answer, const HttpRequest *request, time_t now);
