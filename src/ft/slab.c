// SPDX-License-Identifier: MIT

#include "ft/slab.h"

#include <assert.h>
#include <sanitizer/asan_interface.h> // does nothing in other builds
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "util/macro.h"

enum {
    // Blocks are aligned to their size, so a piece leads to its block. An empty block keeps one
    // page: 6 %.
    BLOCK_BYTES = 64 * 1024,
    PAGE_BYTES = 4096,
    // Asked of the kernel at a time. It is address space, and becomes memory only when it is used.
    REGION_BYTES = 16 * 1024 * 1024,
};

struct SlabBlock {
    LIST_ENTRY(SlabBlock) link; // unless the block is full
    void *freed;                // a list: each freed piece begins with a pointer to the next
    uint32_t size;              // of a piece
    uint32_t used;              // pieces in use
    uint32_t fresh;             // offset of the first piece that was never used
} __attribute__((aligned(SLAB_STEP)));

struct SlabRegion {
    LIST_ENTRY(SlabRegion) link;
    void *map;
};

static SlabBlock *slab_block_of(const void *piece) {
    return (SlabBlock *)((uintptr_t)piece & ~(uintptr_t)(BLOCK_BYTES - 1));
}

static size_t slab_rounded(size_t size) {
    return (size + SLAB_STEP - 1) / SLAB_STEP * SLAB_STEP;
}

static int slab_add_region(Slab *slab) {
    SlabRegion *region;
    uintptr_t begin;
    void *map;

    region = malloc(sizeof(*region));
    if (!region)
        return -ENOMEM;
    map = mmap(NULL, REGION_BYTES + BLOCK_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        free(region);
        return -ENOMEM;
    }
    region->map = map;
    LIST_INSERT_HEAD(&slab->regions, region, link);
    begin = ((uintptr_t)map + BLOCK_BYTES - 1) & ~(uintptr_t)(BLOCK_BYTES - 1);
    slab->fresh = (char *)begin;
    slab->fresh_end = slab->fresh + REGION_BYTES;
    return 0;
}

void slab_clear(Slab *slab) {
    SlabRegion *region, *next;

    LIST_FOREACH_SAFE(region, &slab->regions, link, next) {
        ASAN_UNPOISON_MEMORY_REGION(region->map, REGION_BYTES + BLOCK_BYTES);
        munmap(region->map, REGION_BYTES + BLOCK_BYTES);
        free(region);
    }
    *slab = (Slab){};
}

static SlabBlock *slab_block_new(Slab *slab, size_t size) {
    SlabBlock *block = LIST_FIRST(&slab->empty);

    if (block) {
        LIST_REMOVE(block, link);
        slab->bytes -= PAGE_BYTES;
    } else {
        if (slab->fresh == slab->fresh_end && slab_add_region(slab) < 0)
            return NULL;
        block = slab_block_of(slab->fresh);
        slab->fresh += BLOCK_BYTES;
    }
    *block = (SlabBlock){.size = (uint32_t)size, .fresh = sizeof(*block)};
    slab->bytes += block->fresh;
    ASAN_POISON_MEMORY_REGION(block + 1, BLOCK_BYTES - sizeof(*block));
    LIST_INSERT_HEAD(&slab->with_room[size / SLAB_STEP], block, link);
    return block;
}

static bool slab_is_full(const SlabBlock *block) {
    return !block->freed && block->fresh + block->size > BLOCK_BYTES;
}

void *slab_alloc(Slab *slab, size_t size) {
    const size_t step = slab_rounded(size);
    SlabBlock *block;
    void *piece;

    assert(size > 0 && size <= SLAB_BYTES_MAX);
    block = LIST_FIRST(&slab->with_room[step / SLAB_STEP]) ?: slab_block_new(slab, step);
    if (!block)
        return NULL;
    piece = block->freed ?: (char *)block + block->fresh;
    ASAN_UNPOISON_MEMORY_REGION(piece, MAX(size, sizeof(void *)));
    if (block->freed)
        memcpy(&block->freed, piece, sizeof(void *));
    else {
        block->fresh += step;
        slab->bytes += step;
    }
    block->used++;
    if (slab_is_full(block))
        LIST_REMOVE(block, link);
    return piece;
}

void slab_free(Slab *slab, void *piece) {
    SlabBlock *block = slab_block_of(piece);
    bool full = slab_is_full(block);

    memcpy(piece, &block->freed, sizeof(void *));
    ASAN_POISON_MEMORY_REGION(piece, block->size);
    block->freed = piece;
    block->used--;
    if (full)
        LIST_INSERT_HEAD(&slab->with_room[block->size / SLAB_STEP], block, link);
    // The only block of its size stays, as it would be needed again soon.
    if (block->used > 0 ||
        (LIST_FIRST(&slab->with_room[block->size / SLAB_STEP]) == block && !LIST_NEXT(block, link)))
        return;
    LIST_REMOVE(block, link);
    slab->bytes = slab->bytes - block->fresh + PAGE_BYTES;
    (void)madvise((char *)block + PAGE_BYTES, BLOCK_BYTES - PAGE_BYTES, MADV_DONTNEED);
    LIST_INSERT_HEAD(&slab->empty, block, link);
}

void *slab_resize(Slab *slab, void *piece, size_t size) {
    const size_t old_size = slab_block_of(piece)->size;
    void *moved;

    if (slab_rounded(size) == old_size) {
        ASAN_UNPOISON_MEMORY_REGION(piece, size);
        return piece;
    }
    moved = slab_alloc(slab, size);
    if (!moved)
        return NULL;
    // includes bytes beyond the size that was asked for
    ASAN_UNPOISON_MEMORY_REGION(piece, old_size);
    memcpy(moved, piece, MIN(old_size, size));
    slab_free(slab, piece);
    return moved;
}
