// SPDX-License-Identifier: MIT
#pragma once

// A byte queue: append at the end, consume from the front. An empty one uses no memory, so ten
// thousand idle connections cost nothing here.

#include <stddef.h>
#include <string.h>

typedef struct Buffer {
    char *data; // owned; valid bytes are data[begin .. begin + size)
    size_t begin;
    size_t size;
    size_t capacity;
} Buffer;

// Frees the memory. The buffer is empty and usable afterwards.
void buffer_clear(Buffer *buffer);

static inline const char *buffer_data(const Buffer *buffer) {
    return buffer->data ? buffer->data + buffer->begin : NULL;
}

// Makes room for `n` more bytes and returns where they go. NULL: out of memory. buffer_commit()
// then adds as many as were written.
char *buffer_reserve(Buffer *buffer, size_t n);
void buffer_commit(Buffer *buffer, size_t n);

// The slow path of buffer_append(). 0 or -ENOMEM.
int buffer_append_more(Buffer *buffer, const void *data, size_t n);

// Inline, because most calls append a few bytes of constant length and have room for them.
static inline int buffer_append(Buffer *buffer, const void *data, size_t n) {
    if (n > buffer->capacity - buffer->begin - buffer->size)
        return buffer_append_more(buffer, data, n);
    if (n > 0)
        memcpy(buffer->data + buffer->begin + buffer->size, data, n);
    buffer->size += n;
    return 0;
}

// Drops the first n (<= size) bytes.
void buffer_consume(Buffer *buffer, size_t n);
