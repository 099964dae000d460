// SPDX-License-Identifier: MIT

#include "util/buffer.h"

#include <assert.h>
#include <string.h>

#include "util/macro.h"

enum {
    CAPACITY_MIN = 256,
};

void buffer_clear(Buffer *buffer) {
    free(buffer->data);
    *buffer = (Buffer){};
}

char *buffer_reserve(Buffer *buffer, size_t n) {
    size_t needed, capacity;
    char *data;

    if (buffer->capacity - buffer->begin - buffer->size >= n && buffer->data)
        return buffer->data + buffer->begin + buffer->size;

    if (buffer->begin > 0) {
        memmove(buffer->data, buffer->data + buffer->begin, buffer->size);
        buffer->begin = 0;
    }
    if (__builtin_add_overflow(buffer->size, n, &needed))
        return NULL;
    if (needed <= buffer->capacity && buffer->data)
        return buffer->data + buffer->size;

    capacity = MAX(buffer->capacity, (size_t)CAPACITY_MIN);
    while (capacity < needed)
        if (__builtin_mul_overflow(capacity, 2, &capacity))
            return NULL;
    data = realloc(buffer->data, capacity);
    if (!data)
        return NULL;
    buffer->data = data;
    buffer->capacity = capacity;
    return buffer->data + buffer->size;
}

void buffer_commit(Buffer *buffer, size_t n) {
    assert(buffer->capacity - buffer->begin - buffer->size >= n);
    buffer->size += n;
}

int buffer_append_more(Buffer *buffer, const void *data, size_t n) {
    char *tail;

    tail = buffer_reserve(buffer, n);
    if (!tail)
        return -ENOMEM;
    memcpy(tail, data, n);
    buffer_commit(buffer, n);
    return 0;
}

void buffer_consume(Buffer *buffer, size_t n) {
    assert(n <= buffer->size);
    buffer->begin += n;
    buffer->size -= n;
    if (buffer->size == 0)
        buffer_clear(buffer);
}
