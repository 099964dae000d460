// SPDX-License-Identifier: MIT
#pragma once

// Replaces net/ and FT's prober: connections in memory. A program with fake-net.c has no sockets,
// and its timeouts follow the fake clock.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake-clock.h"
#include "net/stream-pool.h"
#include "net/stream.h"
#include "proto/message.h"
#include "util/buffer.h"

enum {
    FAKE_CONNECTIONS = 4,
};

// Indexed by the number of the connection, which is its fd.
typedef struct FakeConnection {
    Stream *stream; // NULL: the daemon has closed it
    StreamWork work;
    Buffer sent;         // what the daemon has sent
    uint32_t serial;     // of stream_connect(): another one for each connection; 0: accepted
    uint64_t timeout_at; // 0: never
    Buffer arrived;      // arrived while the stream was paused; may be followed by `ended`
    bool ended;
    bool slow; // FT can send nothing
} FakeConnection;

extern FakeConnection fake_connections[FAKE_CONNECTIONS];

// As the poller does with ready sockets. A batch may have several connections.
void fake_batch_begin(void);
void fake_receive(size_t number, const uint8_t *data, size_t len); // len 0: the end of the stream
void fake_batch_end(void);
void fake_work(void); // until no work is left

void fake_connected(size_t number); // the connection that stream_connect() began stands
void fake_advance(uint64_t usec);   // calls the timers that are due
void fake_writable(size_t number);
void fake_reset(size_t number);
void fake_probed(Reachability result); // ends the oldest probe
