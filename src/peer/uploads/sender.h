// SPDX-License-Identifier: MIT
#pragma once

// Sends files, and what is in memory, to sockets, as fast as they take it and as upload-rate
// allows. Lives in the thread of the uploads. Socket, file and watch belong to whoever sends; a
// Send says what goes where and how far it has come.

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "net/poller.h"
#include "peer/uploads/file-stamp.h"
#include "util/address.h"
#include "util/buffer.h"
#include "util/macro.h"
#include "util/rate-limit.h"

typedef struct Send Send;

typedef struct Sender {
    Poller *poller;
    sd_event_source *wake; // when the rate allows more
    RateLimit rate;
    _Atomic uint64_t total; // bytes of all bodies so far; any thread may read it
    PrefixList exempt;      // borrowed
    uint64_t crowded_until; // CLOCK_MONOTONIC µs, see sender_tick()
    TAILQ_HEAD(, Send) active;
    TAILQ_HEAD(, Send) starved; // wait for the rate, the first one first
} Sender;

struct Send {
    // Set before send_start().
    PollWatch *watch;   // on the socket, and the sender's until the end
    IpAddress remote;   // does the rate apply?
    Buffer lead;        // owned; goes first
    const char *memory; // the body: this, or the file if it is NULL
    int file_fd;
    const FileStamp *stamp;  // what the file must be all the time
    uint64_t offset, end;    // of the body; offset moves on
    _Atomic uint64_t *moved; // counts the bytes of the body; NULL: nobody asks
    // Only for what send_start() has left to be done. 0; -ESTALE: the file has changed; -EIO:
    // cannot be read; -ETIMEDOUT: the other side takes too little; -errno.
    void (*on_done)(Send *send, int result);

    // The sender's own.
    Sender *sender; // NULL: not under way
    TAILQ_ENTRY(Send) link, starved_link;
    bool limited, starved;
    uint64_t sent;        // bytes, `lead` included
    uint64_t stall_since; // when enough had been sent to call it progress, CLOCK_MONOTONIC µs
    uint64_t stall_sent;  // `sent` then
};

int sender_init(Sender *sender, sd_event *event, Poller *poller); // 0 or -errno
void sender_done(Sender *sender);                                 // forgets all

// For all that is under way, too. `exempt` is borrowed until the next call.
void sender_configure(Sender *sender, uint64_t rate, PrefixList exempt);
// Once a second or so: ends what does not move; while it is crowded, which is to say that others
// wait for a slot, and a minute longer, also files that move far too slowly.
void sender_tick(Sender *sender, uint64_t now, bool crowded);

// 1: all is sent; 0: the rest goes later, and on_done is called; or a negative errno as there. A
// failure in the middle leaves a body that is too short: the connection is to be closed. `lead` is
// empty then.
int send_start(Sender *sender, Send *send);
// The watch has reported; may call on_done.
void send_ready(Send *send, uint32_t events);
// Forgets it. Harmless for one that is not under way.
void send_stop(Send *send);
