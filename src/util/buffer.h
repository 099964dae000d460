// SPDX-License-Identifier: MIT
#pragma once

// A byte queue: append at the end, consume from the front. Holds no memory while it is empty, so
// that ten thousand idle connections cost nothing here.

#include <stddef.h>

typedef struct Buffer {
    char *data; // owned; valid bytes are data[begin .. begin + size)
    size_t begin;
    size_t size;
    size_t capacity;
} Buffer;

// Frees the memory; the buffer is empty and usable afterwards.
void buffer_clear(Buffer *buffer);

static inline const char *buffer_data(const Buffer *buffer) {
    return buffer->data ? buffer->data + buffer->begin : NULL;
}

// Makes room for `n` more bytes and returns where they go; NULL = out of memory. The bytes count
// once buffer_commit() says how many were written.
char *buffer_reserve(Buffer *buffer, size_t n);
void buffer_commit(Buffer *buffer, size_t n);

// 0 or -ENOMEM.
int buffer_append(Buffer *buffer, const void *data, size_t n);

// Drops the first n (<= size) bytes.
void buffer_consume(Buffer *buffer, size_t n);
