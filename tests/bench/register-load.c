// SPDX-License-Identifier: MIT

// Tells a server who has which file: PEERS with FILES each, and prints the seconds that it took
// until the last was known. The same files for all: as records to p2p-ft (line), with HSET to
// redis-server (resp), as announces to a BitTorrent tracker (udp). Then it stays joined until its
// standard input ends.
//
//     register-load line|resp|udp PORT PEERS FILES
//     register-load hashes FILES               what the tracker has to know of all files beforehand

#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_ONCE = 100, // files that a peer tells before the others have their turn
    TEXT_MAX = 256,
    PORTS_FROM = 2000,
};

// BEP 15
typedef struct Announce {
    uint64_t connection;
    uint32_t action, transaction;
    uint8_t hash[20], peer[20];
    uint64_t downloaded, left, uploaded;
    uint32_t event, address, key, wanted;
    uint16_t port;
} __attribute__((packed)) Announce;

typedef struct Answer {
    uint32_t action, transaction;
    uint64_t connection; // of a connect
} __attribute__((packed)) Answer;

static double now(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int connect_to(int type, uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, type, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        err(1, "connect");
    return fd;
}

static void send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            err(1, "send");
        data += n;
        len -= n;
    }
}

static void receive_lines(int fd, size_t count) {
    char data[AT_ONCE * TEXT_MAX];

    while (count > 0) {
        ssize_t n = recv(fd, data, sizeof(data), 0);

        if (n <= 0)
            err(1, "recv");
        for (ssize_t i = 0; i < n; i++)
            count -= data[i] == '\n';
    }
}

static size_t put_file(char *text, bool resp, size_t number) {
    if (!resp)
        return snprintf(text, TEXT_MAX, "<name-%014zu, dat, %zu, 23/11/26, 127.0.0.1, 5556>\n",
                        number, 100000000 + number);
    return snprintf(text, TEXT_MAX,
                    "*12\r\n$4\r\nHSET\r\n$23\r\nname-%014zu.dat\r\n$4\r\ntype\r\n$3\r\ndat\r\n"
                    "$4\r\nsize\r\n$9\r\n%zu\r\n$4\r\ndate\r\n$8\r\n23/11/26\r\n"
                    "$7\r\naddress\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n5556\r\n",
                    number, 100000000 + number);
}

// All texts are made beforehand: to write them must not be what is measured.
static char *put_files(bool resp, size_t first, size_t count, size_t *ret_len) {
    char *text = malloc(count * TEXT_MAX);

    if (!text)
        errx(1, "out of memory");
    *ret_len = 0;
    for (size_t i = 0; i < count; i++)
        *ret_len += put_file(text + *ret_len, resp, first + i);
    return text;
}

static double register_tcp(bool resp, uint16_t port, size_t peers, size_t files) {
    const size_t rounds = (files + AT_ONCE - 1) / AT_ONCE;
    int *fds = calloc(peers, sizeof(*fds));
    char **texts = calloc(peers * rounds, sizeof(*texts)), last[TEXT_MAX];
    size_t *lens = calloc(peers * rounds, sizeof(*lens));
    double begin;

    if (!fds || !texts || !lens)
        errx(1, "out of memory");
    for (size_t p = 0; p < peers; p++) {
        for (size_t r = 0; r < rounds; r++)
            texts[p * rounds + r] =
                put_files(resp, p * files + r * AT_ONCE,
                          files - r * AT_ONCE < AT_ONCE ? files - r * AT_ONCE : AT_ONCE,
                          &lens[p * rounds + r]);
        fds[p] = connect_to(SOCK_STREAM, port);
        if (!resp) {
            send_all(fds[p], "HELLO\n", 6);
            receive_lines(fds[p], 1);
        }
    }
    begin = now();
    for (size_t r = 0; r < rounds; r++)
        for (size_t p = 0; p < peers; p++) {
            if (resp && r > 0)
                receive_lines(fds[p], AT_ONCE);
            send_all(fds[p], texts[p * rounds + r], lens[p * rounds + r]);
        }
    for (size_t p = 0; p < peers; p++) {
        // FT says nothing to a record: whoever finds the last one knows that all have arrived.
        snprintf(last, sizeof(last), "SEARCH: name-%014zu.dat\n", p * files + files - 1);
        if (!resp)
            send_all(fds[p], last, strlen(last));
        receive_lines(fds[p], resp ? files - (rounds - 1) * AT_ONCE : 1);
    }
    return now() - begin;
}

// splitmix64: info hashes are evenly spread.
static void file_hash(uint8_t hash[20], uint64_t number) {
    for (size_t i = 0; i < 3; i++) {
        uint64_t z = (number * 3 + i + 1) * 0x9e3779b97f4a7c15;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
        memcpy(hash + 8 * i, &z, i < 2 ? 8 : 4);
    }
}

static void print_hashes(size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint8_t hash[20];

        file_hash(hash, i);
        for (size_t j = 0; j < sizeof(hash); j++)
            printf("%02X", hash[j]);
        putchar('\n');
    }
}

static void receive_answers(int fd, size_t count) {
    for (; count > 0; count--) {
        Answer answer;

        if (recv(fd, &answer, sizeof(answer), MSG_TRUNC) < 8)
            err(1, "an answer of the tracker");
        if (answer.action != htonl(1))
            errx(1, "the tracker refused");
    }
}

// Sixty-four go to the kernel in a call, and as many are on their way meanwhile.
static double register_udp(uint16_t port, size_t peers, size_t files) {
    enum {
        UNDER_WAY = 64
    };
    const struct {
        uint64_t magic;
        uint32_t action, transaction;
    } hello = {.magic = htobe64(0x41727101980), .transaction = 1};
    Announce announces[UNDER_WAY] = {};
    struct mmsghdr messages[UNDER_WAY] = {};
    struct iovec iov[UNDER_WAY];
    int fd = connect_to(SOCK_DGRAM, port);
    size_t n = 0, awaited = 0, total = peers * files;
    Answer answer;
    double begin;

    if (send(fd, &hello, sizeof(hello), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
        err(1, "connect to the tracker");
    begin = now();
    for (size_t i = 0; i < total; i++) {
        // A peer tells one file, then the next peer does.
        const size_t peer = i % peers, file = peer * files + i / peers;

        announces[n] = (Announce){
            .connection = answer.connection,
            .action = htonl(1),
            .transaction = htonl((uint32_t)i),
            .event = htonl(2),
            .port = htons((uint16_t)(PORTS_FROM + peer)),
        };
        file_hash(announces[n].hash, file);
        memcpy(announces[n].peer, &peer, sizeof(peer));
        iov[n] = (struct iovec){.iov_base = &announces[n], .iov_len = sizeof(announces[n])};
        messages[n].msg_hdr = (struct msghdr){.msg_iov = &iov[n], .msg_iovlen = 1};
        if (++n < UNDER_WAY && i + 1 < total)
            continue;
        if (sendmmsg(fd, messages, n, 0) != (int)n)
            err(1, "sendmmsg");
        receive_answers(fd, awaited);
        awaited = n;
        n = 0;
    }
    receive_answers(fd, awaited);
    return now() - begin;
}

int main(int argc, char **argv) {
    double seconds;
    uint16_t port;
    size_t peers, files;

    if (argc == 3 && strcmp(argv[1], "hashes") == 0) {
        print_hashes(strtoul(argv[2], NULL, 10));
        return 0;
    }
    if (argc != 5)
        errx(2, "usage: register-load line|resp|udp PORT PEERS FILES");
    port = (uint16_t)atoi(argv[2]);
    peers = strtoul(argv[3], NULL, 10);
    files = strtoul(argv[4], NULL, 10);
    seconds = strcmp(argv[1], "udp") == 0
                  ? register_udp(port, peers, files)
                  : register_tcp(strcmp(argv[1], "resp") == 0, port, peers, files);
    printf("%.4f\n", seconds);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
