// SPDX-License-Identifier: MIT

// What a peer tells FT, against an FT that keeps so many records and no more, and whose KEPT comes
// for as much of a batch as the network has brought together.

#include "test.h"

#include <stdio.h>

#include "peer/tracker/tracker-publish.h"
#include "proto/message.h"
#include "util/hash.h"

enum {
    OFFER_MAX = 12000,
    ROUNDS_MAX = 200,
};

typedef struct Held {
    UT_hash_handle hh;
    bool hashed;
    Record record;
    RecordText text;
} Held;

// Both sides.
typedef struct World {
    Record offer[OFFER_MAX];
    char names[OFFER_MAX][40];
    size_t offered;

    Held *held; // at FT, by name: here no two files share one
    size_t limit;
    size_t refused, messages, rounds;
    size_t longest; // bytes of a batch

    TrackerHooks hooks;
    TrackerPublisher publisher;
} World;

static bool next_offered(void *userdata, size_t *position, Record *ret) {
    const World *world = userdata;

    if (*position >= world->offered)
        return false;
    *ret = world->offer[(*position)++];
    return true;
}

static World *world_new(size_t limit, bool rooted) {
    static const Endpoint address = {.address.family = AF_INET, .port = 5556};
    World *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->limit = limit;
    world->hooks = (TrackerHooks){.next_offered = next_offered, .userdata = world};
    tracker_publisher_init(&world->publisher, &world->hooks);
    tracker_publisher_begin(&world->publisher, FRAMING_LINE,
                            rooted ? &record_syntax_rooted : &record_syntax_own, &address);
    return world;
}

static void forget(World *world, Held *held) {
    HASH_DEL(world->held, held);
    free(held);
}

static World *world_free(World *world) {
    Held *held, *next;

    HASH_ITER(hh, world->held, held, next)
    forget(world, held);
    tracker_publisher_end(&world->publisher);
    free(world);
    return NULL;
}
DEFINE_CLEANUP_FUNC(World, world_free)

// A file at `position` of the offer; `root` 0: it has none.
static void offer_at(World *world, size_t position, unsigned id, uint8_t root) {
    memmove(&world->offer[position + 1], &world->offer[position],
            (world->offered - position) * sizeof(world->offer[0]));
    snprintf(world->names[id], sizeof(world->names[id]), "file-%u", id);
    world->offer[position] = (Record){
        .name = world->names[id],
        .type = "txt",
        .size = id,
        .modified = {2026, 11, 23},
        .has_root = root > 0,
    };
    memset(&world->offer[position].root, root, sizeof(MerkleHash));
    world->offered++;
}

static void offer(World *world, size_t n) {
    for (size_t i = 0; i < n; i++)
        offer_at(world, world->offered, world->offered, 1);
}

static void withdraw(World *world, size_t position) {
    world->offered--;
    memmove(&world->offer[position], &world->offer[position + 1],
            (world->offered - position) * sizeof(world->offer[0]));
}

static Held *find(World *world, const char *name) {
    Held *held;

    HASH_FIND_STR(world->held, name, held);
    return held;
}

static void ft_takes_record(World *world, const Message *message) {
    RecordList list = record_list(message->argument, message->argument_len);
    Held *held = calloc(1, sizeof(*held)), *old;
    const char *text;
    size_t len;

    assert_true(record_list_next(&list, &text, &len));
    assert_int_equal(record_parse(text, len, &held->text, &held->record, NULL), 0);
    old = find(world, held->text.name);
    if (old)
        forget(world, old);
    else if (HASH_COUNT(world->held) >= world->limit) {
        world->refused++;
        free(held);
        return;
    }
    held->hashed = true;
    HASH_ADD_KEYPTR(hh, world->held, held->text.name, strlen(held->text.name), held);
}

static void ft_takes(World *world, const char *line, size_t len) {
    const Message message = message_parse(line, len);
    RecordText text;
    Record record;
    Held *held;

    world->messages++;
    if (message.kind == MESSAGE_RECORDS) {
        ft_takes_record(world, &message);
        return;
    }
    assert_int_equal(message.kind, MESSAGE_REMOVE);
    assert_int_equal(record_parse_file(message.argument, message.argument_len, &text, &record), 0);
    held = find(world, record.name);
    if (held && held->record.size == record.size)
        forget(world, held);
}

// FT reads the batch, `together` messages at a time. True if the publisher has seen that it is
// through.
static bool ft_reads(World *world, const Buffer *out, size_t together) {
    const char *p = buffer_data(out), *end = p + out->size;
    bool through = false;
    size_t n = 0;

    while (p < end) {
        const char *newline = memchr(p, '\n', end - p);

        assert_non_null(newline);
        ft_takes(world, p, newline - p);
        p = newline + 1;
        if ((++n % together == 0 || p == end) && world->publisher.rooted)
            through = tracker_publisher_kept(&world->publisher, HASH_COUNT(world->held)) || through;
    }
    return through;
}

// Until the publisher has nothing more to say.
static void talk(World *world, size_t together) {
    for (world->rounds = 0; world->rounds < ROUNDS_MAX; world->rounds++) {
        Buffer out = {};
        bool through;

        assert_int_equal(tracker_publisher_write(&world->publisher, &out), 0);
        if (out.size == 0)
            return;
        assert_int_equal(world->publisher.awaiting, world->publisher.rooted);
        world->longest = MAX(world->longest, out.size);
        through = ft_reads(world, &out, together);
        buffer_clear(&out);
        if (world->publisher.rooted && !through)
            tracker_publisher_settle(&world->publisher);
        assert_false(world->publisher.awaiting);
    }
    fail_msg("it never ends");
}

// FT holds the first n that are offered and nothing else, and the publisher knows.
static void assert_published(World *world, size_t n) {
    assert_int_equal(HASH_COUNT(world->held), n);
    assert_true(tracker_publisher_current(&world->publisher));
    for (size_t i = 0; i < world->offered; i++) {
        const Record *record = &world->offer[i];
        const Held *held = find(world, record->name);

        assert_int_equal(tracker_publisher_has(&world->publisher, record), i < n);
        assert_int_equal(held != NULL, i < n);
        if (!held)
            continue;
        assert_memory_equal(&held->record.modified, &record->modified, sizeof(Date));
        assert_int_equal(held->record.endpoint.port, 5556);
        assert_int_equal(held->record.has_root, record->has_root &&
                                                    record->size != SIZE_WITHOUT_ROOT &&
                                                    world->publisher.syntax->rooted);
    }
}

static void test_all_within_five(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, true);

    assert_false(tracker_publisher_any(&world->publisher));
    talk(world, 1);
    assert_int_equal(world->messages, 0);
    offer(world, 3);
    assert_true(tracker_publisher_any(&world->publisher));
    talk(world, 100);
    assert_published(world, 3);
    assert_int_equal(world->rounds, 1);
    assert_int_equal(world->messages, 3);
    assert_int_equal(tracker_publisher_limit(&world->publisher), SIZE_MAX);
}

static const struct LimitRow {
    const char *proves;
    size_t limit, offered, together;
    size_t refused_max; // what FT had to drop on the way
} limit_rows[] = {
    {"the limit that everybody has", 5, 20, 100, 1},
    {"a line at a time", 5, 20, 1, 1},
    {"fewer than everybody", 2, 20, 100, 3},
    {"one", 1, 20, 3, 4},
    {"none", 0, 20, 100, 5},
    {"one more than everybody", 6, 20, 100, 6},
    {"as many as there are", 20, 20, 7, 0},
    {"more than there are", 10000, 300, 100, 0},
    {"some", 100, 300, 13, 100},
    {"as many as a peer tells", 10000, 11000, 64, 0},
    {"more than a peer tells", 20000, 11000, 1000, 0},
};

static void test_limits(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(limit_rows); i++) {
        const struct LimitRow *row = &limit_rows[i];
        _cleanup_(world_freep) World *world = world_new(row->limit, true);
        size_t most = MIN(MIN(row->limit, row->offered), (size_t)FILES_PER_PEER_MAX);

        ROW(row);
        offer(world, row->offered);
        talk(world, row->together);
        assert_published(world, most);
        assert_in_range(world->refused, 0, row->refused_max);
        assert_int_equal(tracker_publisher_limit(&world->publisher),
                         most < row->offered ? most : SIZE_MAX);
        assert_in_range(world->longest, 1, 33 * 1024);
    }
}

// Where no roots are spoken of there is no KEPT: five, and the difference.
static void test_without_roots(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, false);

    offer(world, 20);
    talk(world, 1);
    assert_published(world, 5);
    assert_int_equal(world->messages, 5);
    assert_int_equal(tracker_publisher_limit(&world->publisher), 5);

    withdraw(world, 1);
    tracker_publisher_changed(&world->publisher);
    talk(world, 1);
    assert_published(world, 5);
    assert_int_equal(world->messages, 7); // one gone, one more

    memset(&world->offer[0].root, 7, sizeof(MerkleHash)); // nobody there would see it
    talk(world, 1);
    assert_int_equal(world->messages, 7);
}

// Files whose root is not known yet are told plainly until one has it.
static void test_roots_come_later(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(10, true);

    for (unsigned i = 0; i < 8; i++)
        offer_at(world, i, i, 0);
    talk(world, 1);
    assert_published(world, 5);
    assert_false(world->publisher.rooted);
    for (size_t i = 0; i < 8; i++) {
        world->offer[i].has_root = true;
        memset(&world->offer[i].root, 3, sizeof(MerkleHash));
    }
    tracker_publisher_changed(&world->publisher);
    talk(world, 2);
    assert_true(world->publisher.rooted);
    assert_published(world, 8);
}

static void test_only_what_has_changed(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(100, true);
    size_t before;

    offer(world, 50);
    talk(world, 100);
    assert_published(world, 50);
    before = world->messages;

    tracker_publisher_changed(&world->publisher);
    talk(world, 100);
    assert_int_equal(world->messages, before);

    world->offer[7].modified.day = 24;
    memset(&world->offer[9].root, 9, sizeof(MerkleHash));
    withdraw(world, 20);
    offer_at(world, 0, 60, 1);
    tracker_publisher_changed(&world->publisher);
    talk(world, 100);
    assert_published(world, 50);
    assert_int_equal(world->messages, before + 4);
    assert_int_equal(find(world, "file-9")->record.root.bytes[31], 9);
    assert_null(find(world, "file-20"));
}

// The first ones in their order are published, whenever they came; and room that there is again is
// used.
static void test_order_at_the_limit(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, true);

    offer(world, 20);
    talk(world, 100);
    assert_published(world, 5);
    offer_at(world, 0, 100, 1);
    offer_at(world, 3, 101, 1);
    tracker_publisher_changed(&world->publisher);
    talk(world, 100);
    assert_published(world, 5);
    for (int i = 0; i < 19; i++) {
        withdraw(world, 0);
        tracker_publisher_changed(&world->publisher);
        talk(world, 3);
        assert_published(world, MIN(world->offered, (size_t)5));
    }
}

static void test_administrator_allows_more(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, true);

    offer(world, 20);
    talk(world, 100);
    assert_int_equal(tracker_publisher_limit(&world->publisher), 5);
    world->limit = 12;
    talk(world, 100); // nobody has told the peer
    assert_published(world, 5);
    tracker_publisher_changed(&world->publisher);
    talk(world, 100);
    assert_published(world, 12);
    assert_int_equal(tracker_publisher_limit(&world->publisher), 12);
}

// What does not answer a batch changes nothing.
static void test_kept_out_of_turn(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, true);

    assert_false(tracker_publisher_kept(&world->publisher, 3));
    offer(world, 4);
    talk(world, 100);
    assert_false(tracker_publisher_kept(&world->publisher, 0));
    assert_published(world, 4);
}

static void test_session_begins_anew(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(100, true);
    static const Endpoint address = {.address.family = AF_INET, .port = 5556};
    Held *held, *next;

    offer(world, 30);
    talk(world, 100);
    HASH_ITER(hh, world->held, held, next)
    forget(world, held);
    tracker_publisher_begin(&world->publisher, FRAMING_LINE, &record_syntax_rooted, &address);
    assert_false(tracker_publisher_has(&world->publisher, &world->offer[0]));
    talk(world, 100);
    assert_published(world, 30);
}

static void test_raw_is_one_message(void **state _unused_) {
    _cleanup_(world_freep) World *world = world_new(5, true);
    const char *expected = "<file-0,192.0.2.7,5556,.txt,23/11/2026,0>;"
                           "<file-1,192.0.2.7,5556,.txt,23/11/2026,1>";
    Endpoint address = {.port = 5556};
    Buffer out = {};

    assert_int_equal(address_parse("192.0.2.7", 9, &address.address), 0);
    tracker_publisher_begin(&world->publisher, FRAMING_RAW, &record_syntax_authors, &address);
    offer(world, 2);
    assert_int_equal(tracker_publisher_write(&world->publisher, &out), 0);
    assert_int_equal(out.size, strlen(expected));
    assert_memory_equal(buffer_data(&out), expected, out.size);
    assert_false(world->publisher.awaiting);
    assert_true(tracker_publisher_current(&world->publisher));
    offer(world, 1);
    assert_false(tracker_publisher_current(&world->publisher));
    buffer_clear(&out);
}

// Whatever comes and goes, and however the network cuts it.
static void test_random_history(void **state _unused_) {
    unsigned seed = 4711;

    for (int round = 0; round < 30; round++) {
        _cleanup_(world_freep) World *world = world_new(rand_r(&seed) % 60, true);
        unsigned id = 0;

        for (int step = 0; step < 40; step++) {
            for (int i = rand_r(&seed) % 12; i > 0; i--) {
                size_t at = world->offered ? rand_r(&seed) % world->offered : 0;

                switch (rand_r(&seed) % 4) {
                case 0:
                    if (world->offered > 0)
                        withdraw(world, at);
                    break;
                case 1:
                    if (world->offered > 0)
                        memset(&world->offer[at].root, 1 + rand_r(&seed) % 200, sizeof(MerkleHash));
                    break;
                default:
                    offer_at(world, at, id++, 1 + rand_r(&seed) % 200);
                }
            }
            if (rand_r(&seed) % 8 == 0)
                world->limit += 3;
            tracker_publisher_changed(&world->publisher);
            talk(world, 1 + rand_r(&seed) % 9);
            assert_published(world, MIN(world->limit, world->offered));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_within_five),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_without_roots),
        cmocka_unit_test(test_roots_come_later),
        cmocka_unit_test(test_only_what_has_changed),
        cmocka_unit_test(test_order_at_the_limit),
        cmocka_unit_test(test_administrator_allows_more),
        cmocka_unit_test(test_kept_out_of_turn),
        cmocka_unit_test(test_session_begins_anew),
        cmocka_unit_test(test_raw_is_one_message),
        cmocka_unit_test(test_random_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
