// SPDX-License-Identifier: MIT

#include "peer/swarm/piece-map.h"

#include <assert.h>

#include "util/macro.h"

int piece_map_init(PieceMap *map, uint64_t count) {
    *map = (PieceMap){.count = count, .missing = count};
    map->states = calloc(count, sizeof(*map->states));
    return map->states ? 0 : -ENOMEM;
}

void piece_map_done(PieceMap *map) {
    free(map->states);
    *map = (PieceMap){};
}

void piece_map_set(PieceMap *map, uint64_t piece, PieceState state) {
    PieceState old = map->states[piece];

    assert(piece < map->count);
    map->missing -= old == PIECE_MISSING;
    map->there -= old == PIECE_THERE;
    map->states[piece] = state;
    map->missing += state == PIECE_MISSING;
    map->there += state == PIECE_THERE;
    if (state == PIECE_MISSING)
        map->first_missing = MIN(map->first_missing, piece);
}

uint64_t piece_map_take(PieceMap *map, uint64_t max, uint64_t *ret_first) {
    uint64_t piece = map->first_missing, n = 0;

    if (map->missing == 0)
        return 0;
    while (map->states[piece] != PIECE_MISSING)
        piece++;
    *ret_first = piece;
    for (; n < max && piece < map->count && map->states[piece] == PIECE_MISSING; n++)
        piece_map_set(map, piece++, PIECE_ASKED);
    map->first_missing = piece;
    return n;
}

void piece_map_give_back(PieceMap *map, uint64_t first, uint64_t end) {
    for (; first < end; first++)
        if (map->states[first] == PIECE_ASKED)
            piece_map_set(map, first, PIECE_MISSING);
}
