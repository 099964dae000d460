// SPDX-License-Identifier: MIT
#pragma once

// The system calls of one move. The mover calls these functions when a socket is ready.

#include "peer/downloads/mover.h"

typedef struct MoveBuffer MoveBuffer;
MoveBuffer *move_buffer_new(void); // NULL: out of memory
void move_buffer_free(MoveBuffer *buffer);

enum {
    MOVE_IO_DONE = 0,    // all bytes are moved and safe on disk
    MOVE_IO_MORE = 1,    // some bytes were moved
    MOVE_IO_BLOCKED = 2, // no bytes could be moved: wait for the socket
};

// The first step: writes the bytes that have arrived already. Returns what move_io_step() returns.
int move_io_begin(Move *move);

// Moves at most `max` bytes (> 0), and never more than one buffer. Returns MOVE_IO_* or a negative
// errno, see Move.result.
int move_io_step(Move *move, MoveBuffer *buffer, uint64_t max);

// Whether a move whose sender has gone quiet already has the complete file. This happens if the
// file begins with white space, so that the header looked longer than it is.
bool move_io_complete_if_quiet(const Move *move);

// Finishes a move that has all its bytes. 0 or -errno.
int move_io_end(Move *move);
