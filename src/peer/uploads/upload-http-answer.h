// SPDX-License-Identifier: MIT
#pragma once

// Decides and writes the answer to an HTTP request, without I/O. It needs only the request's head
// and the properties of the file. A client may GET or HEAD
//
//   /file/ROOT/NAME   the file; only ROOT counts, a client that saves the file may use NAME
//   /pieces/ROOT      the hashes of its pieces (util/merkle.h), 32 bytes each
//
// Both have the ETag "ROOT", because a root names bytes that never change. Both accept a Range.

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "peer/uploads/upload-queue.h"
#include "proto/http.h"
#include "util/buffer.h"
#include "util/merkle-hash.h"

typedef struct HttpRequest {
    bool head;   // the client wants no body
    bool pieces; // the piece hashes, not the file
    MerkleHash root;
    bool keep; // the connection stays open
    bool old;  // HTTP/1.0: if it stays open, the answer must say so
} HttpRequest;

typedef struct HttpAnswer {
    unsigned status;
    const char *text;     // the body of an error, a sentence; static
    uint64_t offset, end; // 200, 206: the range of the file or of the piece hashes
    uint64_t size;        // 200, 206, 304, 416: bytes of the whole file or of all piece hashes
    time_t modified;      // 200, 206, 304, 416
    UploadTurn turn;      // 503
} HttpAnswer;

// Reads a request. Status 0: the request is valid, and *ret is set; otherwise this is the answer.
HttpAnswer http_answer_read_request(const HttpHead *head, HttpRequest *ret);

// Returns the answer for a file of `size` bytes: 200, 206, 304 or 416. The same for HEAD as for
// GET.
HttpAnswer http_answer_file(const HttpHead *head, const HttpRequest *request, uint64_t size,
                            time_t modified);

// Returns an answer whose body is `text`.
HttpAnswer http_answer_text(unsigned status, const char *text);

// Appends the head and the text to `out`; for HEAD only the head. 0 or -ENOMEM.
int http_answer_put(Buffer *out, const HttpAnswer *answer, const HttpRequest *request, time_t now);
