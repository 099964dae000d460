// SPDX-License-Identifier: MIT
#pragma once

// Memory for the index: millions of small pieces that come and go for months. malloc() sometimes
// tidies up all freed memory in one call, which took 33 ms after a million peers had left. It
// returns little of it to the kernel, and adds eight bytes to each piece. Here pieces of one size
// share blocks. Every call is short, and empty blocks return to the kernel.

#include <stddef.h>
#include <sys/queue.h>

typedef struct SlabBlock SlabBlock;
typedef struct SlabRegion SlabRegion;

enum {
    SLAB_STEP = 16,        // sizes are multiples of this
    SLAB_BYTES_MAX = 4112, // a page and a header
};

// Zeroed, it is empty.
typedef struct Slab {
    LIST_HEAD(, SlabBlock) with_room[SLAB_BYTES_MAX / SLAB_STEP + 1]; // by size
    LIST_HEAD(, SlabBlock) empty; // returned to the kernel, except their first page
    LIST_HEAD(, SlabRegion) regions;
    char *fresh, *fresh_end; // the newest region, from its first block that was never used
    size_t bytes;            // of memory in use, exact to a page per block
} Slab;

void slab_clear(Slab *slab); // frees all pieces

// Allocates `size` <= SLAB_BYTES_MAX bytes, not zeroed. NULL: out of memory.
void *slab_alloc(Slab *slab, size_t size);
void slab_free(Slab *slab, void *piece);

// Resizes a piece and may move it. NULL: out of memory, and nothing changes.
void *slab_resize(Slab *slab, void *piece, size_t size);
