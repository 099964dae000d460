// SPDX-License-Identifier: MIT
#pragma once

// Sends files and memory to sockets, as fast as the sockets and upload-rate allow. The sender runs
// in the uploads' thread. A Send describes one transmission and its progress; the caller keeps
// ownership of the socket, the file and the watch.

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
    sd_event_source *wake; // fires when the rate allows more
    RateLimit rate;
    _Atomic uint64_t total; // bytes of all bodies so far; any thread may read it
    PrefixList exempt;      // borrowed
    uint64_t crowded_until; // CLOCK_MONOTONIC µs, see sender_tick()
    TAILQ_HEAD(, Send) active;
    TAILQ_HEAD(, Send) starved; // wait for the rate, the oldest first
} Sender;

struct Send {
    // Set before send_start().
    PollWatch *watch;   // on the socket; the sender uses it until the end
    IpAddress remote;   // decides whether the rate applies
    Buffer lead;        // owned; sent first
    const char *memory; // the body; NULL: the body is the file
    int file_fd;
    const FileStamp *stamp;  // the file must match it until the end
    uint64_t offset, end;    // the range of the body; offset advances
    _Atomic uint64_t *moved; // counts the bytes of the body; may be NULL
    // Called only if send_start() returned 0. 0: all is sent; -ESTALE: the file has changed; -EIO:
    // the file cannot be read; -ETIMEDOUT: the receiver takes too little; -errno.
    void (*on_done)(Send *send, int result);

    // The sender's own.
    Sender *sender; // NULL: this Send is not running
    TAILQ_ENTRY(Send) link, starved_link;
    bool limited, starved;
    uint64_t sent;        // bytes, `lead` included
    uint64_t stall_since; // when the bytes sent last counted as progress, CLOCK_MONOTONIC µs
    uint64_t stall_sent;  // `sent` at that time
};

int sender_init(Sender *sender, sd_event *event, Poller *poller); // 0 or -errno
void sender_done(Sender *sender);                                 // forgets all Sends

// Applies to running Sends, too. `exempt` is borrowed until the next call.
void sender_configure(Sender *sender, uint64_t rate, PrefixList exempt);
// Ends Sends that make no progress. While the queue is crowded, which means that others wait for a
// slot, and for a minute after that, it also ends files that move far too slowly. Call this about
// once a second.
void sender_tick(Sender *sender, uint64_t now, bool crowded);

// 1: all is sent; 0: the sender sends the rest later and then calls on_done; or a negative errno as
// for on_done. After a failure the body is too short, so the caller must close the connection.
// `lead` is empty then.
int send_start(Sender *sender, Send *send);
// Call this when the watch reports events. May call on_done.
void send_ready(Send *send, uint32_t events);
// Forgets the Send. Harmless if it is not running.
void send_stop(Send *send);
