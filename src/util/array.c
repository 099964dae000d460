// SPDX-License-Identifier: MIT

#include "util/array.h"

#include <stdlib.h>

void *array_grow(void *items, size_t *room, size_t needed, size_t size, size_t min) {
    size_t wanted = MAX(*room, MAX(min, (size_t)1)), bytes;
    void *grown;

    while (wanted < needed)
        if (__builtin_mul_overflow(wanted, 2, &wanted))
            return NULL;
    if (__builtin_mul_overflow(wanted, size, &bytes))
        return NULL;
    grown = realloc(items, bytes);
    if (grown)
        *room = wanted;
    return grown;
}
