// SPDX-License-Identifier: MIT

#include "peer/downloads/move-io.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum {
    // The most bytes of one step, and the size of the buffer that all moves of a mover share.
    RECEIVE_BYTES = 1024 * 1024,
    // The kernel wakes a move once this many bytes have arrived, or the rest, or the end of the
    // stream. This makes writes fewer and larger.
    RECEIVE_WAKE_BYTES = 256 * 1024,
};

struct MoveBuffer {
    char data[RECEIVE_BYTES];
};

MoveBuffer *move_buffer_new(void) {
    return malloc(sizeof(MoveBuffer));
}

void move_buffer_free(MoveBuffer *buffer) {
    free(buffer);
}

static int move_io_write_at(Move *move, const char *data, size_t len, uint64_t offset) {
    while (len > 0) {
        ssize_t n = pwrite(move->file_fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            move->file_failed = true;
            return n < 0 ? -errno : -EIO;
        }
        data += n;
        len -= n;
        offset += n;
    }
    return 0;
}

// Shifts the file's bytes up by `by` (1 or 2), the last bytes first, and puts `prefix` before them.
static int move_io_shift_file(Move *move, uint64_t len, const char *prefix, size_t by) {
    char chunk[65536];
    int r;

    while (len > 0) {
        size_t n = MIN(len, sizeof(chunk));
        ssize_t got = pread(move->file_fd, chunk, n, (off_t)(len - n));

        if (got != (ssize_t)n) {
            move->file_failed = true;
            return got < 0 ? -errno : -EIO;
        }
        len -= n;
        r = move_io_write_at(move, chunk, n, len + by);
        if (r < 0)
            return r;
    }
    return move_io_write_at(move, prefix, by, 0);
}

bool move_io_complete_if_quiet(const Move *move) {
    size_t ignored;

    return file_header_fits(&move->header, move->received, move->size, &ignored);
}

int move_io_end(Move *move) {
    const FileHeader *header = &move->header;
    size_t header_len;
    int r;

    if (!file_header_fits(header, move->received, move->size, &header_len))
        return -EPROTO;
    if (header_len < header->longest) {
        // The header is shorter: what looked like its end is the beginning of the file.
        r = move_io_shift_file(move, move->received - header->longest,
                               header->white_space + (header_len - strlen(WORD_FILE)),
                               header->longest - header_len);
        if (r < 0)
            return r;
    }
    if (ftruncate(move->file_fd, (off_t)move->size) < 0 || fdatasync(move->file_fd) < 0) {
        move->file_failed = true;
        return -errno;
    }
    move->moved = move->size;
    return MOVE_IO_DONE;
}

// Writes `len` bytes that arrived at position move->received of the answer. As move_io_step().
static int move_io_take_bytes(Move *move, const char *data, size_t len) {
    uint64_t end = move->header.longest + move->size;
    char extra;
    int r;

    assert(move->received >= move->header.longest);
    r = move_io_write_at(move, data, MIN(len, end - move->received),
                         move->received - move->header.longest);
    if (r < 0)
        return r;
    move->received += len;
    if (move->received > end)
        return -EMSGSIZE;
    move->moved = move->received - move->header.longest;
    if (move->received < end)
        return MOVE_IO_MORE;
    // All bytes are here, so do not wait for the end of the stream. If more bytes have arrived
    // already, the sender lied about the size.
    if (recv(move->socket_fd, &extra, 1, MSG_DONTWAIT | MSG_PEEK) > 0)
        return -EMSGSIZE;
    return move_io_end(move);
}

// Sets how many bytes wake us: it changes once at the beginning and once near the end.
static void move_io_set_wake(Move *move) {
    uint64_t rest = move->header.longest + move->size - move->received;
    int bytes = rest > 2 * RECEIVE_WAKE_BYTES ? RECEIVE_WAKE_BYTES : 1;

    if (bytes == move->wake)
        return;
    move->wake = bytes;
    (void)setsockopt(move->socket_fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

int move_io_step(Move *move, MoveBuffer *buffer, uint64_t max) {
    uint64_t rest = move->header.longest + move->size - move->received;
    ssize_t n;
    int r;

    n = recv(move->socket_fd, buffer->data, MIN(MIN(rest + 1, max), (uint64_t)RECEIVE_BYTES),
             MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? MOVE_IO_BLOCKED : -errno;
    if (n == 0)
        return move_io_end(move);
    r = move_io_take_bytes(move, buffer->data, n);
    if (r == MOVE_IO_MORE)
        move_io_set_wake(move);
    return r;
}

int move_io_begin(Move *move) {
    _cleanup_(buffer_clear) Buffer lead = move->lead;
    size_t header_len = move->header.longest;

    move->lead = (Buffer){};
    move->received = header_len;
    return move_io_take_bytes(move, buffer_data(&lead) + header_len, lead.size - header_len);
}
