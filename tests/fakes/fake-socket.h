// SPDX-License-Identifier: MIT
#pragma once

// Takes the place of TCP sockets that connect, of the poller and of loop threads: all of them are
// memory and run in the fuzzer. Needs -Wl,--wrap for each function of the kernel that fake-socket.c
// has.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/poller.h"
#include "util/address.h"
#include "util/buffer.h"

enum {
    FAKE_SOCKETS = 16,
};

typedef struct FakeSocket {
    bool open;
    bool connected;
    int error;  // of connect(), or what recv() fails with once all is received; 0: none
    bool ended; // the other side sends no more
    SocketAddress remote;
    PollWatch *watch; // NULL: none
    Buffer sent;      // by the daemon
    Buffer arrived;   // and not received yet
    size_t low_water; // SO_RCVLOWAT
} FakeSocket;

extern FakeSocket fake_sockets[FAKE_SOCKETS];

// Calls the handlers of all that are ready, until none is.
void fake_sockets_run(void);
// How many are open.
size_t fake_sockets_open(void);
void fake_sockets_clear(void); // forgets what the closed ones have sent

// While it sleeps, a thread takes calls and runs none.
void fake_thread_sleep(const char *name, bool sleeps);
// Runs all calls and replies of threads that do not sleep.
void fake_threads_run(void);
