// SPDX-License-Identifier: MIT

#include "peer/tracker/resolver.h"

#include <netdb.h>
#include <string.h>

#include "util/macro.h"

typedef struct Resolve {
    char *host;
    uint16_t port;
    ResolveHandler handler;
    int error; // EAI_*
    Endpoint endpoints[RESOLVE_MAX];
    size_t count;
} Resolve;

static void resolve_run(void *job) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list;
    Resolve *resolve = job;
    IpAddress address;

    // A literal address needs no lookup. AI_ADDRCONFIG would even refuse ::1 on a machine without
    // IPv6.
    if (address_parse(resolve->host, strlen(resolve->host), &address) >= 0) {
        resolve->endpoints[resolve->count++] =
            (Endpoint){.address = address, .port = resolve->port};
        return;
    }
    resolve->error = getaddrinfo(resolve->host, NULL, &hints, &list);
    if (resolve->error != 0)
        return;
    for (struct addrinfo *i = list; i && resolve->count < RESOLVE_MAX; i = i->ai_next) {
        SocketAddress sockaddr = {};
        Endpoint endpoint;

        memcpy(&sockaddr, i->ai_addr, MIN((size_t)i->ai_addrlen, sizeof(sockaddr)));
        endpoint = endpoint_from_sockaddr(&sockaddr);
        endpoint.port = resolve->port;
        if (endpoint.address.family != AF_UNSPEC)
            resolve->endpoints[resolve->count++] = endpoint;
    }
    freeaddrinfo(list);
}

static void resolve_done(void *job, void *userdata) {
    const Resolve *resolve = job;

    if (resolve->count > 0)
        resolve->handler(0, NULL, resolve->endpoints, resolve->count, userdata);
    else
        resolve->handler(-EHOSTUNREACH,
                         resolve->error ? gai_strerror(resolve->error) : "no address", NULL, 0,
                         userdata);
}

static void resolve_free(void *job) {
    Resolve *resolve = job;

    free(resolve->host);
    free(resolve);
}

int resolve_start(sd_event *event, const char *host, uint16_t port, ResolveHandler handler,
                  void *userdata, Work **ret) {
    static const WorkOps ops = {.run = resolve_run, .done = resolve_done, .free = resolve_free};
    Resolve *resolve;

    resolve = calloc(1, sizeof(*resolve));
    if (!resolve)
        return -ENOMEM;
    resolve->port = port;
    resolve->handler = handler;
    resolve->host = strdup(host);
    if (!resolve->host) {
        resolve_free(resolve);
        return -ENOMEM;
    }
    return work_start(event, &ops, resolve, userdata, ret);
}
