// SPDX-License-Identifier: MIT
#pragma once

// The state of each piece of a file: verified, requested from a source, or still to be requested.

#include <stdbool.h>
#include <stdint.h>

typedef enum PieceState {
    PIECE_MISSING,
    PIECE_ASKED, // one source writes it, or the verify thread checks it
    PIECE_THERE, // verified: no source writes it any more
} PieceState;

typedef struct PieceMap {
    uint8_t *states; // the PieceState of each piece; owned
    uint64_t count;
    uint64_t missing;
    uint64_t there;
    uint64_t first_missing; // no piece before this one is missing
} PieceMap;

int piece_map_init(PieceMap *map, uint64_t count); // all are missing; 0 or -ENOMEM
void piece_map_done(PieceMap *map);

static inline PieceState piece_map_state(const PieceMap *map, uint64_t piece) {
    return map->states[piece];
}
static inline bool piece_map_complete(const PieceMap *map) {
    return map->there == map->count;
}

// Marks the first run of missing pieces, at most `max` of them, as requested. Returns how many
// pieces, starting at *ret_first; 0: no piece is missing.
uint64_t piece_map_take(PieceMap *map, uint64_t max, uint64_t *ret_first);
void piece_map_set(PieceMap *map, uint64_t piece, PieceState state);
// Marks the requested pieces in [first, end) as missing again.
void piece_map_give_back(PieceMap *map, uint64_t first, uint64_t end);
