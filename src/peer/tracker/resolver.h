// SPDX-License-Identifier: MIT
#pragma once

// Resolves host names to endpoints in a thread, because getaddrinfo() blocks.

#include <systemd/sd-event.h>

#include "util/address.h"
#include "util/work.h"

enum {
    RESOLVE_MAX = 8, // how many addresses of one host are tried
};

// r = 0: n >= 1 endpoints, in the order of RFC 6724. r < 0: a negative errno, and a message for
// people.
typedef void (*ResolveHandler)(int r, const char *message, const Endpoint endpoints[], size_t n,
                               void *userdata);

// 0 or -errno. work_free(*ret) cancels the request.
int resolve_start(sd_event *event, const char *host, uint16_t port, ResolveHandler handler,
                  void *userdata, Work **ret);
