// SPDX-License-Identifier: MIT
#pragma once

// A growing array is three variables of its owner: the items, how many there are, and for how many
// there is room. Zeroed, it is empty. free() releases the items.

#include <stddef.h>

#include "util/macro.h"

// Makes room for `needed` items. A full array doubles, and has room for at least `min` items.
// `items` and `room` are variables and change together. New items are not initialized. 0, or
// -ENOMEM and nothing changes.
#define ARRAY_RESERVE(items, room, needed, min)                                           \
    ({                                                                                    \
        const size_t _needed = (needed);                                                  \
        size_t _room = (room);                                                            \
        int _r = 0;                                                                       \
                                                                                          \
        if (_needed > _room) {                                                            \
            void *_items = array_grow((items), &_room, _needed, sizeof(*(items)), (min)); \
                                                                                          \
            if (_items) {                                                                 \
                (items) = _items;                                                         \
                (room) = _room;                                                           \
            } else                                                                        \
                _r = -ENOMEM;                                                             \
        }                                                                                 \
        _r;                                                                               \
    })

// Does the work of ARRAY_RESERVE() for `needed` > *room. Returns the items at their new place and
// sets *room. NULL: out of memory, and the items stay where they are.
void *array_grow(void *items, size_t *room, size_t needed, size_t size, size_t min);
