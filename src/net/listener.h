// SPDX-License-Identifier: MIT
#pragma once

// A listening TCP socket on the loop, opened by us or by systemd. It never disables itself: if one
// connection fails, it logs that (rate-limited) and accepts the next one.

#include <stdint.h>
#include <systemd/sd-event.h>

#include "util/address.h"
#include "util/macro.h"

typedef struct Listener Listener;

// Takes ownership of fd, which is non-blocking and close-on-exec.
typedef void (*AcceptHandler)(int fd, const Endpoint *remote, void *userdata);

// Takes ownership of the listening fd in any case. 0 or -errno.
int listener_new(sd_event *event, int fd, AcceptHandler handler, void *userdata, Listener **ret);
Listener *listener_free(Listener *listener);
DEFINE_CLEANUP_FUNC(Listener, listener_free)

// The address in use, with the port that the kernel chose if port 0 was requested.
const Endpoint *listener_endpoint(const Listener *listener);
int listener_fd(const Listener *listener); // the listener keeps it

// Opens a socket that accepts IPv6 and, on [::], IPv4 as well. If the machine has no IPv6, [::]
// becomes 0.0.0.0. Returns an fd or -errno.
int listener_open(const Endpoint *endpoint);

// Logs that `program` cannot listen there and what may help, and tells systemd. Returns r.
int listener_fail(const Endpoint *endpoint, const char *program, int r);

// Uses the sockets that systemd passed (sd_listen_fds(3)), or opens one on `endpoint`. Writes up to
// `max` listeners. Returns how many, or -errno.
int listener_open_all(sd_event *event, const Endpoint *endpoint, AcceptHandler handler,
                      void *userdata, Listener *listeners[], size_t max);
