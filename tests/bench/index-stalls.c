// SPDX-License-Identifier: MIT

// The longest call into the index of FT, in CPU time, and what a record takes, while it fills up
// and empties: peers with 10,000 records each, and peers with five. Wanted: no call above a
// millisecond, 70 bytes a record.
//
//     index-stalls [RECORDS] [RECORDS-OF-A-PEER] [words]     words: with what finds files by words

#include <err.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ft/index.h"

enum {
    TEXT_MAX = 64,
};

static Index *idx;
static IndexOwner **owners;
static uint64_t longest; // ns

static uint64_t cpu_ns(void) {
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static size_t resident(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t size, pages;

    if (!file || fscanf(file, "%zu %zu", &size, &pages) != 2)
        err(1, "statm");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void note(uint64_t begin) {
    longest = MAX(longest, cpu_ns() - begin);
}

static void print_longest(const char *what) {
    printf("%-8s longest call %7.3f ms\n", what, longest / 1e6);
    longest = 0;
}

static void add(IndexOwner *owner, size_t number) {
    char name[TEXT_MAX];
    const Record record = {
        .name = name,
        .type = "dat",
        .size = 100000000 + number,
        .modified = {.year = 2026, .month = 11, .day = 23},
        .endpoint = {.address.family = AF_INET, .port = 5556},
    };
    uint64_t begin;

    snprintf(name, sizeof(name), "name-%014zu", number);
    begin = cpu_ns();
    if (index_add(idx, owner, &record) < 0)
        errx(1, "index_add");
    note(begin);
}

static void leave(size_t peer) {
    uint64_t begin = cpu_ns();
    bool more;

    index_owner_leave(idx, owners[peer]);
    note(begin);
    do {
        begin = cpu_ns();
        more = index_work(idx);
        note(begin);
    } while (more);
}

int main(int argc, char **argv) {
    const size_t records = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    const size_t per_peer = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    const size_t peers = records / per_peer;
    size_t before;

    owners = calloc(peers, sizeof(*owners));
    if (!owners || index_new(&idx) < 0 || (argc > 3 && index_add_words(idx) < 0))
        errx(1, "out of memory");
    before = resident();
    for (size_t i = 0; i < peers; i++) {
        owners[i] = index_owner_new(idx);
        for (size_t j = 0; j < per_peer; j++)
            add(owners[i], i * per_peer + j);
    }
    printf("%zu records of %zu peers: %.1f bytes each\n", records, peers,
           (double)(resident() - before) / records);
    print_longest("add");
    for (size_t i = 0; i < peers; i++)
        leave(i);
    print_longest("leave");
    printf("left: %.1f MB\n", (double)(resident() - before) / 1e6);
    index_free(idx);
    free(owners);
    return 0;
}
