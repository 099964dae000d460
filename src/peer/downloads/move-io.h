// SPDX-License-Identifier: MIT
#pragma once

// The system calls of one move, without threads: what the mover does when a socket is ready.

#include "peer/downloads/mover.h"

typedef struct MoveBuffer MoveBuffer;
MoveBuffer *move_buffer_new(void); // NULL: out of memory
void move_buffer_free(MoveBuffer *buffer);

enum {
    MOVE_IO_DONE = 0,    // all is moved and safe on disk
    MOVE_IO_MORE = 1,    // some bytes were moved
    MOVE_IO_BLOCKED = 2, // none could be: wait for the socket
};

// The first step: writes what has come already. As move_io_step().
int move_io_begin(Move *move);

// Moves a bounded number of bytes, at most `max` > 0. MOVE_IO_* or a negative errno, see
// Move.result.
int move_io_step(Move *move, MoveBuffer *buffer, uint64_t max);

// Whether a move that gets no more bytes has a whole file already: its sender wrote a header that
// is shorter than it looked, because the file begins with white space.
bool move_io_complete_if_quiet(const Move *move);

// Finishes one that has all its bytes. 0 or -errno.
int move_io_end(Move *move);
