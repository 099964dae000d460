// SPDX-License-Identifier: MIT
#pragma once

// Which pieces of a file are there, which have been asked of somebody, and which are to be asked
// yet.

#include <stdbool.h>
#include <stdint.h>

typedef enum PieceState {
    PIECE_MISSING,
    PIECE_ASKED, // one source writes it, or it is being verified
    PIECE_THERE, // verified: nobody writes to it any more
} PieceState;

typedef struct PieceMap {
    uint8_t *states; // PieceState of each; owned
    uint64_t count;
    uint64_t missing;
    uint64_t there;
    uint64_t first_missing; // none before it is missing
} PieceMap;

int piece_map_init(PieceMap *map, uint64_t count); // all are missing; 0 or -ENOMEM
void piece_map_done(PieceMap *map);

static inline PieceState piece_map_state(const PieceMap *map, uint64_t piece) {
    return map->states[piece];
}
static inline bool piece_map_complete(const PieceMap *map) {
    return map->there == map->count;
}

// Takes the first run of missing pieces, at most `max`: they are asked for now. Returns how many,
// from
// *ret_first on; 0: none is missing.
uint64_t piece_map_take(PieceMap *map, uint64_t max, uint64_t *ret_first);
void piece_map_set(PieceMap *map, uint64_t piece, PieceState state);
// Pieces [first, end) that were asked for are missing again.
void piece_map_give_back(PieceMap *map, uint64_t first, uint64_t end);
