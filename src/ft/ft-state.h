// SPDX-License-Identifier: MIT
#pragma once

// What FT knows of its sessions, as bytes for the next FT (ft-restart.h). Both run on the same
// machine, so numbers keep the machine's byte order. The reader trusts the bytes as little as those
// of a stranger.

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ft/session.h"
#include "proto/record.h"
#include "util/buffer.h"

enum {
    // Raise it with every change of the format or of its meaning. A reader rejects any other
    // version.
    STATE_VERSION = 3,
    STATE_HASH_BYTES = 16,
};

typedef struct StateHeader {
    char magic[8];
    uint32_t version;
    uint32_t sessions;
    uint64_t len; // bytes that follow
    // BLAKE2b of what follows. It detects a state that is cut off, not one that is forged.
    uint8_t hash[STATE_HASH_BYTES];
} StateHeader;

// A session without its socket and its records.
struct SavedSession {
    Endpoint remote;
    SessionState state;
    Framing framing;
    RecordSyntax syntax;
    uint64_t deadline, since, probed_at; // as in Session
    Reachability reachability;
    bool asks_reachable;
    bool probing;
    const char *in; // received, not consumed; borrowed
    size_t in_len;
    const char *out; // written, not sent; borrowed
    size_t out_len;
    size_t record_count; // this many records follow
    // Where an accepted peer is published, even if it has removed all its records.
    Endpoint endpoint;
};

enum {
    // A session never holds more than this.
    SAVED_IN_BYTES_MAX = 128 * 1024,
    SAVED_OUT_BYTES_MAX = 1024 * 1024,
};

// Writes into a memfd step by step, so that a million records are not in memory a third time.
typedef struct StateWriter {
    int fd; // owned
    Buffer pending;
    crypto_generichash_state hash;
    StateHeader header;
} StateWriter;

int state_writer_init(StateWriter *writer); // 0 or -errno
void state_writer_done(StateWriter *writer);
// Write each session, then its saved->record_count records. 0 or -errno.
int state_write_session(StateWriter *writer, const SavedSession *saved);
int state_write_record(StateWriter *writer, const Record *record);
// Returns the sealed file descriptor, which the caller owns, or -errno.
int state_writer_finish(StateWriter *writer);

// Pure: bytes in, values out.
typedef struct StateReader {
    const uint8_t *data;
    size_t len; // bytes left
    uint32_t sessions;
    size_t records; // left of the session that was read last
} StateReader;

// 0, -EBADMSG: no valid state, or -EPROTONOSUPPORT: another version.
int state_read_begin(StateReader *reader, const void *data, size_t len);
// 1, 0: no more sessions, or -EBADMSG. Read all records of the previous session before. `in` and
// `out` point into the data.
int state_read_session(StateReader *reader, SavedSession *ret);
// 1, 0: no more records of this session, or -EBADMSG.
int state_read_record(StateReader *reader, RecordText *text, Record *ret);
