// SPDX-License-Identifier: MIT
#pragma once

// What FT knows of its sessions, as bytes, for the FT that comes after it (ft-restart.h). Both run on one machine, so
// numbers are as the machine writes them. It is read as if a stranger had written it.

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ft/session.h"
#include "proto/record.h"
#include "util/buffer.h"

enum {
    // To be raised with every change of what is written, or of what it means: a state of another version is not read.
    STATE_VERSION = 3,
    STATE_HASH_BYTES = 16,
};

typedef struct StateHeader {
    char magic[8];
    uint32_t version;
    uint32_t sessions;
    uint64_t len; // of what follows
    uint8_t hash
        [STATE_HASH_BYTES]; // BLAKE2b of what follows: against half of a state, not against forgers
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
    const char *in; // read and not consumed; borrowed
    size_t in_len;
    const char *out; // written and not sent; borrowed
    size_t out_len;
    size_t record_count; // that many records follow
    Endpoint
        endpoint; // where an accepted one is published, also when it has taken all its records back
};

enum {
    // More than a session holds of either.
    SAVED_IN_BYTES_MAX = 128 * 1024,
    SAVED_OUT_BYTES_MAX = 1024 * 1024,
};

// Writes into a memfd, bit by bit: a million records need not be in memory a third time.
typedef struct StateWriter {
    int fd; // owned
    Buffer pending;
    crypto_generichash_state hash;
    StateHeader header;
} StateWriter;

int state_writer_init(StateWriter *writer); // 0 or -errno
void state_writer_done(StateWriter *writer);
// First the session, then saved->record_count records of it. 0 or -errno.
int state_write_session(StateWriter *writer, const SavedSession *saved);
int state_write_record(StateWriter *writer, const Record *record);
// Returns the fd, sealed, which is the caller's; or -errno.
int state_writer_finish(StateWriter *writer);

// Pure: bytes in, values out.
typedef struct StateReader {
    const uint8_t *data;
    size_t len; // what is left
    uint32_t sessions;
    size_t records; // of the session that was read last
} StateReader;

// 0; -EBADMSG: it is none; -EPROTONOSUPPORT: one of another version.
int state_read_begin(StateReader *reader, const void *data, size_t len);
// 1; 0: there are no more; -EBADMSG. All records of the one before must have been read. `in` and `out` point into
// the data.
int state_read_session(StateReader *reader, SavedSession *ret);
// 1; 0: that session has no more; -EBADMSG.
int state_read_record(StateReader *reader, RecordText *text, Record *ret);
