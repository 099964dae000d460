// SPDX-License-Identifier: MIT

// An HTTP client that costs little: CONNECTIONS at once fetch BYTES each, in ranges of RANGE bytes
// one after the other (0: in one), and throw them away in the kernel (MSG_TRUNC). Prints the
// seconds it took.
//
//     http-drain PORT PATH CONNECTIONS BYTES RANGE

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MAX = 4096,
    DISCARD = 4 * 1024 * 1024,
};

typedef struct Connection {
    int fd;
    char head[HEAD_MAX];
    size_t head_len;
    uint64_t body;  // bytes of this answer to come
    uint64_t asked; // of all, so far
} Connection;

static const char *path;
static uint64_t bytes, range;

static void ask(Connection *c) {
    uint64_t n = range > 0 && range < bytes - c->asked ? range : bytes - c->asked;
    char request[1024];
    int len;

    len = snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%llu-%llu\r\n\r\n", path,
                   (unsigned long long)c->asked, (unsigned long long)(c->asked + n - 1));
    if (send(c->fd, request, len, 0) != len)
        err(1, "send");
    c->asked += n;
    c->body = n;
    c->head_len = 0;
}

// The head is looked at before it is taken, so that the body begins where it ends.
static int read_head(Connection *c) {
    ssize_t n = recv(c->fd, c->head, sizeof(c->head) - 1, MSG_PEEK);
    char *end;

    if (n <= 0)
        err(1, "recv");
    c->head[n] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return 0;
    if (strncmp(c->head, "HTTP/1.1 206", 12) != 0)
        errx(1, "%s", c->head);
    c->head_len = end + 4 - c->head;
    if (recv(c->fd, c->head, c->head_len, 0) != (ssize_t)c->head_len)
        err(1, "recv");
    return 1;
}

// False: this connection has all.
static int on_ready(Connection *c) {
    ssize_t n;

    if (c->head_len == 0 && !read_head(c))
        return 1;
    n = recv(c->fd, NULL, c->body < DISCARD ? c->body : DISCARD, MSG_TRUNC | MSG_DONTWAIT);
    if (n == 0)
        errx(1, "the server has closed the connection");
    if (n > 0)
        c->body -= n;
    if (c->body > 0)
        return 1;
    if (c->asked == bytes)
        return 0;
    ask(c);
    return 1;
}

static void start(Connection *c, int epoll_fd, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    const int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        err(1, "connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        err(1, "epoll_ctl");
    ask(c);
}

static double now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    Connection *connections;
    int count, left, epoll_fd = epoll_create1(0);
    double begin;

    if (argc != 6)
        errx(2, "usage: http-drain PORT PATH CONNECTIONS BYTES RANGE");
    path = argv[2];
    left = count = atoi(argv[3]);
    bytes = strtoull(argv[4], NULL, 10);
    range = strtoull(argv[5], NULL, 10);
    connections = calloc(count, sizeof(*connections));
    if (!connections)
        err(1, "calloc");
    begin = now();
    for (int i = 0; i < count; i++)
        start(&connections[i], epoll_fd, (uint16_t)atoi(argv[1]));
    while (left > 0) {
        int n = epoll_wait(epoll_fd, events, 256, -1);

        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;

            if (on_ready(c))
                continue;
            close(c->fd);
            left--;
        }
    }
    printf("%.6f\n", now() - begin);
    free(connections);
    return 0;
}
