// SPDX-License-Identifier: MIT
#pragma once

// Memory for the index: millions of small pieces that come and go for months. malloc() now and then tidies up all that
// has been freed, in one call (33 ms when a million peers had left), gives little of it back to the kernel, and notes
// eight bytes with each piece. Here pieces of one size share blocks; no call takes long, and an empty block is given back.

#include <stddef.h>
#include <sys/queue.h>

typedef struct SlabBlock SlabBlock;
typedef struct SlabRegion SlabRegion;

enum {
    SLAB_STEP = 16,        // sizes are multiples of that
    SLAB_BYTES_MAX = 4112, // a page, and what stands before it
};

// Zeroed, it is empty.
typedef struct Slab {
    LIST_HEAD(, SlabBlock) with_room[SLAB_BYTES_MAX / SLAB_STEP + 1]; // by size
    LIST_HEAD(, SlabBlock) empty; // given back but for their first page
    LIST_HEAD(, SlabRegion) regions;
    char *fresh, *fresh_end; // of the newest region: blocks that were never used
    size_t bytes;            // of memory that it takes, exact but for a page of each block
} Slab;

void slab_clear(Slab *slab); // frees all pieces

// `size` <= SLAB_BYTES_MAX; NULL: out of memory. Not zeroed.
void *slab_alloc(Slab *slab, size_t size);
void slab_free(Slab *slab, void *piece);

// Keeps what fits; may move it. NULL: out of memory, and nothing has changed.
void *slab_resize(Slab *slab, void *piece, size_t size);
