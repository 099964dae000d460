// SPDX-License-Identifier: MIT

#include "net/listener.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "util/log-id.h"
#include "util/log.h"

enum {
    BACKLOG = 4096,       // for a whole lab that boots at once; the kernel caps it at somaxconn
    ACCEPTS_AT_ONCE = 64, // then the bus gets its turn
};

struct Listener {
    sd_event_source *source;
    AcceptHandler handler;
    void *userdata;
    Endpoint endpoint;
    LogLimit limit;
    int fd;
    int reserve_fd; // closed for a moment when file descriptors run out
};

int listener_open(const Endpoint *endpoint) {
    _cleanup_close_ int fd = -EBADF;
    const int on = 1, off = 0;
    SocketAddress sockaddr;
    socklen_t len;

    len = endpoint_to_sockaddr(endpoint, &sockaddr);
    fd = socket(sockaddr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && sockaddr.sa.sa_family == AF_INET6 &&
        address_is_any(&endpoint->address)) {
        const Endpoint v4 = {.address.family = AF_INET, .port = endpoint->port};

        return listener_open(&v4);
    }
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (sockaddr.sa.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
        return -errno;
    if (bind(fd, &sockaddr.sa, len) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int listener_fail(const Endpoint *endpoint, const char *program, int r) {
    char text[ENDPOINT_TEXT_MAX], help[128] = "";

    if (r == -EADDRINUSE)
        snprintf(help, sizeof(help), " (another %s? try: ss -ltnp)", program);
    else if (r == -EACCES)
        snprintf(help, sizeof(help), " (ports below 1024 need %s.socket)", program);
    endpoint_format(endpoint, text);
    log_event(LOG_ERR, &(LogFields){.id = EVENT_CANNOT_LISTEN}, "Cannot listen on %s: %s%s", text,
              strerror(-r), help);
    // systemctl status still shows this when failed starts fill the log.
    (void)sd_notifyf(false, "STATUS=Cannot listen on %s: %s", text, strerror(-r));
    return r;
}

static void listener_log_error(Listener *listener, int error) {
    log_limited(&listener->limit, LOG_WARNING, &(LogFields){.id = EVENT_CANNOT_ACCEPT},
                "Cannot accept a connection: %s", strerror(error));
}

static void listener_hold_reserve(Listener *listener) {
    if (listener->reserve_fd < 0)
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// A connection that cannot be accepted stays in the queue and would wake the loop forever. Free the
// reserve descriptor, accept with it, and close the connection.
static void listener_shed_connection(Listener *listener) {
    int fd;

    listener->reserve_fd = close_fd(listener->reserve_fd);
    fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    close_fd(fd);
    listener_hold_reserve(listener);
}

static int listener_on_connection(sd_event_source *source _unused_, int fd,
                                  uint32_t revents _unused_, void *userdata) {
    Listener *listener = userdata;

    listener_hold_reserve(listener); // another thread may have taken the descriptor
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        SocketAddress sockaddr = {};
        socklen_t len = sizeof(sockaddr);
        Endpoint remote;
        int connection;

        connection = accept4(fd, &sockaddr.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection < 0) {
            if (errno == EAGAIN)
                break;
            if (errno == EMFILE || errno == ENFILE) {
                listener_log_error(listener, errno);
                listener_shed_connection(listener);
            } else if (errno != EINTR && errno != ECONNABORTED) {
                listener_log_error(listener, errno);
                break;
            }
            continue;
        }
        remote = endpoint_from_sockaddr(&sockaddr);
        listener->handler(connection, &remote, listener->userdata);
    }
    return 0;
}

int listener_new(sd_event *event, int fd, AcceptHandler handler, void *userdata, Listener **ret) {
    _cleanup_(listener_freep) Listener *listener = NULL;
    SocketAddress sockaddr = {};
    socklen_t len = sizeof(sockaddr);
    int r;

    listener = calloc(1, sizeof(*listener));
    if (!listener) {
        close_fd(fd);
        return -ENOMEM;
    }
    listener->fd = fd;
    listener->handler = handler;
    listener->userdata = userdata;
    listener->reserve_fd = -EBADF;
    listener_hold_reserve(listener);
    if (getsockname(fd, &sockaddr.sa, &len) < 0)
        return -errno;
    listener->endpoint = endpoint_from_sockaddr(&sockaddr);
    // A socket from systemd may be in blocking mode.
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return -errno;
    r = sd_event_add_io(event, &listener->source, fd, EPOLLIN, listener_on_connection, listener);
    if (r < 0)
        return r;
    (void)sd_event_source_set_description(listener->source, "listener");
    *ret = TAKE_PTR(listener);
    return 0;
}

Listener *listener_free(Listener *listener) {
    if (!listener)
        return NULL;
    sd_event_source_disable_unref(listener->source);
    close_fd(listener->fd);
    close_fd(listener->reserve_fd);
    free(listener);
    return NULL;
}

const Endpoint *listener_endpoint(const Listener *listener) {
    return &listener->endpoint;
}

int listener_fd(const Listener *listener) {
    return listener->fd;
}

int listener_open_all(sd_event *event, const Endpoint *endpoint, AcceptHandler handler,
                      void *userdata, Listener *listeners[], size_t max) {
    int n, r;

    n = sd_listen_fds(true);
    if (n < 0)
        return n;
    if ((size_t)n > max)
        return -E2BIG;
    for (int i = 0; i < n; i++) {
        r = listener_new(event, SD_LISTEN_FDS_START + i, handler, userdata, &listeners[i]);
        if (r < 0)
            return r;
    }
    if (n > 0)
        return n;

    r = listener_open(endpoint);
    if (r < 0)
        return r;
    r = listener_new(event, r, handler, userdata, &listeners[0]);
    return r < 0 ? r : 1;
}
