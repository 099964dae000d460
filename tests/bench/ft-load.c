// SPDX-License-Identifier: MIT

// A client that costs little, and the same for both: CONNECTIONS at once each ask for DEPTH random
// names of RECORDS, wait for all the answers, and ask again. Answers are counted by their bytes,
// which are the same for all names (tests/bench/index.py). Prints the answers per second.
//
//     ft-load line|resp PORT CONNECTIONS DEPTH SECONDS RECORDS

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 1024,
    DIGITS = 8,
    REQUEST_MAX = 64,
    ANSWER_MAX = 256,
};

// A request is its head, the number of a name and its tail.
typedef struct Protocol {
    const char *word, *head, *tail;
    const char *answer; // how a good one begins
} Protocol;

static const Protocol protocols[] = {
    {"line", "SEARCH: name-000000", ".dat\n", "FOUND: <"},
    {"resp", "*2\r\n$3\r\nGET\r\n$23\r\nname-000000", ".dat\r\n", "$"},
};

typedef struct Connection {
    int fd;
    size_t awaited; // bytes
} Connection;

static const Protocol *protocol;
static size_t depth, answer_len;
static uint32_t records;
static uint64_t state = 88172645463325252u;

// xorshift64
static uint32_t random_number(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % records;
}

static size_t put_request(char *text, uint32_t number) {
    size_t head = strlen(protocol->head), tail = strlen(protocol->tail);

    memcpy(text, protocol->head, head);
    for (int i = DIGITS - 1; i >= 0; i--, number /= 10)
        text[head + i] = (char)('0' + number % 10);
    memcpy(text + head + DIGITS, protocol->tail, tail);
    return head + DIGITS + tail;
}

static void ask(Connection *c) {
    static char text[DEPTH_MAX * REQUEST_MAX];
    size_t len = 0;

    for (size_t i = 0; i < depth; i++)
        len += put_request(text + len, random_number());
    if (send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        err(1, "send");
    c->awaited = depth * answer_len;
}

static size_t receive(const Connection *c, char *data, size_t size) {
    ssize_t n = recv(c->fd, data, size, 0);

    if (n <= 0)
        err(1, "recv");
    return n;
}

// Joins, where that is needed, and looks at one answer.
static void greet(const Connection *c, int number) {
    char text[ANSWER_MAX];
    size_t len = 0;

    if (strcmp(protocol->word, "line") == 0) {
        len = snprintf(text, sizeof(text),
                       "HELLO\n<load-%d, dat, 100000000, 23/11/26, 127.0.0.1, 5556>\n", number);
        if (send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
            err(1, "send");
        for (len = 0; len < strlen("HI\n");)
            len += receive(c, text + len, strlen("HI\n") - len);
    }
    len = put_request(text, random_number());
    if (send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        err(1, "send");
    len = 0;
    do
        len += receive(c, text + len, sizeof(text) - len);
    while (text[len - 1] != '\n' || len <= strlen("$00\r\n"));
    if (strncmp(text, protocol->answer, strlen(protocol->answer)) != 0)
        errx(1, "answer: %.*s", (int)len, text);
    answer_len = len;
}

static void start(Connection *c, int number, int epoll_fd, uint16_t port) {
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
    greet(c, number);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        err(1, "epoll_ctl");
}

static double now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double run(int epoll_fd, double seconds) {
    static char data[256 * 1024];
    const double begin = now();
    uint64_t answers = 0;

    while (now() - begin < seconds) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll_fd, events, 64, -1);

        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            size_t len = receive(c, data, sizeof(data));

            if (len > c->awaited || (len == c->awaited && data[len - 1] != '\n'))
                errx(1, "answers of another length than the first");
            c->awaited -= len;
            if (c->awaited > 0)
                continue;
            answers += depth;
            ask(c);
        }
    }
    return answers / (now() - begin);
}

int main(int argc, char **argv) {
    int epoll_fd = epoll_create1(0), count;
    Connection *connections;

    if (argc != 7)
        errx(2, "usage: ft-load line|resp PORT CONNECTIONS DEPTH SECONDS RECORDS");
    protocol = &protocols[strcmp(argv[1], protocols[1].word) == 0];
    count = atoi(argv[3]);
    depth = strtoul(argv[4], NULL, 10);
    records = strtoul(argv[6], NULL, 10);
    connections = calloc(count, sizeof(*connections));
    if (!connections || depth < 1 || depth > DEPTH_MAX || records < 1)
        errx(2, "wrong number");
    for (int i = 0; i < count; i++)
        start(&connections[i], i, epoll_fd, (uint16_t)atoi(argv[2]));
    for (int i = 0; i < count; i++)
        ask(&connections[i]);
    printf("%.0f\n", run(epoll_fd, strtod(argv[5], NULL)));
    free(connections);
    return 0;
}
