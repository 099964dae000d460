// SPDX-License-Identifier: MIT
#pragma once

// A listening TCP socket on the loop, our own or one that systemd opened. Never disables itself:
// what goes wrong with one connection is logged (rate-limited) and the next one is taken.

#include <stdint.h>
#include <systemd/sd-event.h>

#include "util/address.h"
#include "util/macro.h"

typedef struct Listener Listener;

// Takes over fd: non-blocking, close-on-exec.
typedef void (*AcceptHandler)(int fd, const Endpoint *remote, void *userdata);

// Takes over the listening fd, whatever the result. 0 or -errno.
int listener_new(sd_event *event, int fd, AcceptHandler handler, void *userdata, Listener **ret);
Listener *listener_free(Listener *listener);
DEFINE_CLEANUP_FUNC(Listener, listener_free)

// The address in use (with the port that the kernel chose where 0 was asked for).
const Endpoint *listener_endpoint(const Listener *listener);
int listener_fd(const Listener *listener); // stays the listener's

// Opens a socket that accepts IPv6 and, on [::], IPv4 too. Returns an fd or -errno; where the machine
// has no IPv6, [::] becomes 0.0.0.0.
int listener_open(const Endpoint *endpoint);

// Logs that `program` cannot listen there, and what may help, and tells systemd; returns r.
int listener_fail(const Endpoint *endpoint, const char *program, int r);

// The sockets that systemd passed (sd_listen_fds(3)), or one on `endpoint`. Writes up to `max`
// listeners and returns their number, or -errno.
int listener_open_all(sd_event *event, const Endpoint *endpoint, AcceptHandler handler,
                      void *userdata, Listener *listeners[], size_t max);
