// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-queue.h"
#include "test.h"

static const IpAddress a = {.family = AF_INET, .v4 = {1}}, b = {.family = AF_INET, .v4 = {2}};
static const MerkleHash x = {{1}}, y = {{2}};
static const uint64_t second = USEC_PER_SEC;

// A DOWNLOAD that waits.
typedef struct Waiter {
    UploadPlace place;
    unsigned slots;
    bool revoked;
} Waiter;

// Of the HTTP clients of one test: which of them has which slot does not matter.
static UploadSlot http_slots[16];
static size_t http_count;

static int setup(void **state _unused_) {
    http_count = 0;
    return 0;
}

static void on_slot(UploadPlace *place) {
    container_of(place, Waiter, place)->slots++;
}

static void on_revoked(UploadSlot *slot) {
    Waiter *waiter = container_of(slot, Waiter, place.slot);

    assert_false(waiter->revoked);
    waiter->revoked = true;
}

static Waiter waiter(IpAddress address) {
    return (Waiter){
        .place = {.slot = {.address = address, .on_revoked = on_revoked}, .on_slot = on_slot},
    };
}

static int ask(UploadQueue *queue, IpAddress address, MerkleHash root, uint64_t now,
               UploadTurn *ret) {
    UploadSlot *slot = &http_slots[http_count];
    int r;

    assert_in_range(http_count, 0, ELEMENTSOF(http_slots) - 1);
    *slot = (UploadSlot){.address = address};
    r = upload_queue_ask(queue, slot, &root, now, ret);
    http_count += r > 0;
    return r;
}

static void release(UploadQueue *queue, UploadSlot *slot, uint64_t now) {
    upload_queue_release(queue, slot);
    upload_queue_advance(queue, now);
}

// Whoever has had its slot longest gives it back.
static void release_oldest(UploadQueue *queue, uint64_t now) {
    release(queue, TAILQ_LAST(&queue->taken, UploadSlots), now);
}

// What upload_queue_ask() says, as "slot" or the place.
static unsigned asked_place(UploadQueue *queue, IpAddress address, MerkleHash root, uint64_t now) {
    UploadTurn turn;
    int r = ask(queue, address, root, now, &turn);

    assert_true(r >= 0);
    if (r > 0)
        return 0;
    assert_in_range(turn.retry_seconds, 1, RETRY_SECONDS_MAX);
    return turn.place;
}

static void test_slots(void **state _unused_) {
    Waiter first = waiter(a), second_one = waiter(a), third = waiter(b);
    UploadQueue queue;

    upload_queue_init(&queue, 2);
    assert_int_equal(upload_queue_wait(&queue, &first.place, 1), 0);
    assert_int_equal(upload_queue_wait(&queue, &second_one.place, 1), 0);
    assert_int_equal(upload_queue_wait(&queue, &third.place, 1), 1);
    assert_int_equal(first.slots + second_one.slots, 2);
    assert_int_equal(third.slots, 0);
    release_oldest(&queue, 2);
    assert_int_equal(third.slots, 1);
    assert_int_equal(queue.active, 2);
    upload_queue_done(&queue);
}

static void test_leave(void **state _unused_) {
    Waiter first = waiter(a), second_one = waiter(a), third = waiter(a);
    UploadQueue queue;

    upload_queue_init(&queue, 1);
    assert_int_equal(upload_queue_wait(&queue, &first.place, 1), 0);
    assert_int_equal(upload_queue_wait(&queue, &second_one.place, 1), 1);
    assert_int_equal(upload_queue_wait(&queue, &third.place, 1), 1);
    upload_queue_leave(&queue, &second_one.place);
    upload_queue_leave(&queue, &second_one.place); // harmless
    release_oldest(&queue, 2);
    assert_int_equal(second_one.slots, 0);
    assert_int_equal(third.slots, 1);
    upload_queue_done(&queue);
}

static void test_more_slots(void **state _unused_) {
    Waiter waiters[3] = {waiter(a), waiter(a), waiter(a)};
    UploadQueue queue;

    upload_queue_init(&queue, 1);
    for (size_t i = 0; i < ELEMENTSOF(waiters); i++)
        assert_int_equal(upload_queue_wait(&queue, &waiters[i].place, 1), i > 0);
    upload_queue_set_slots(&queue, 3, 2);
    assert_int_equal(waiters[1].slots + waiters[2].slots, 2);
    // Fewer: those that have one keep it, and nobody gets one until enough are back.
    upload_queue_set_slots(&queue, 1, 3);
    assert_int_equal(queue.active, 3);
    assert_int_equal(asked_place(&queue, b, x, 4), 1);
    release_oldest(&queue, 5);
    release_oldest(&queue, 5);
    assert_int_equal(asked_place(&queue, b, x, 6), 1);
    release_oldest(&queue, 7);
    assert_int_equal(asked_place(&queue, b, x, 8), 0);
    upload_queue_done(&queue);
}

static void test_first_come(void **state _unused_) {
    Waiter middle = waiter(a);
    UploadQueue queue;

    upload_queue_init(&queue, 1);
    assert_int_equal(asked_place(&queue, a, x, 0), 0);
    assert_int_equal(asked_place(&queue, a, y, 0), 1);
    assert_int_equal(upload_queue_wait(&queue, &middle.place, 0), 1);
    assert_int_equal(asked_place(&queue, b, y, 0), 3);
    assert_int_equal(asked_place(&queue, b, x, 0), 4);
    // The place is kept, whoever asks how often.
    assert_int_equal(asked_place(&queue, b, x, second), 4);
    assert_int_equal(asked_place(&queue, a, y, second), 1);
    assert_int_equal(asked_place(&queue, b, y, second), 3);

    // The slot is kept for the first, who is away.
    release_oldest(&queue, second);
    assert_int_equal(middle.slots, 0);
    assert_int_equal(asked_place(&queue, b, y, second), 3);
    assert_int_equal(asked_place(&queue, b, x, second), 4);
    assert_int_equal(asked_place(&queue, a, y, 2 * second), 0);
    assert_int_equal(asked_place(&queue, b, y, 2 * second), 2);
    release_oldest(&queue, 2 * second);
    assert_int_equal(middle.slots, 1);
    assert_int_equal(asked_place(&queue, b, y, 2 * second), 1);
    release_oldest(&queue, 2 * second);
    assert_int_equal(asked_place(&queue, b, x, 2 * second), 2);
    assert_int_equal(asked_place(&queue, b, y, 2 * second), 0);
    upload_queue_done(&queue);
}

static void test_who_does_not_come_back(void **state _unused_) {
    const uint64_t late = (1 + RETRY_GRACE_SECONDS) * second;
    Waiter behind = waiter(b);
    UploadQueue queue;

    upload_queue_init(&queue, 1);
    assert_int_equal(asked_place(&queue, a, x, 0), 0);
    assert_int_equal(asked_place(&queue, a, y, 0), 1);
    assert_int_equal(upload_queue_wait(&queue, &behind.place, 0), 1);
    release_oldest(&queue, 0); // kept for the first
    upload_queue_tick(&queue, late - 1);
    assert_int_equal(behind.slots, 0);
    upload_queue_tick(&queue, late);
    assert_int_equal(behind.slots, 1);
    assert_int_equal(queue.reserved, 0);
    // The place is lost, too.
    assert_int_equal(asked_place(&queue, b, x, late), 1);
    assert_int_equal(asked_place(&queue, a, y, late), 2);
    upload_queue_done(&queue);
}

static void test_no_slot_is_wasted(void **state _unused_) {
    Waiter one = waiter(b), two = waiter(b);
    UploadQueue queue;

    upload_queue_init(&queue, 2);
    assert_int_equal(asked_place(&queue, a, x, 0), 0);
    assert_int_equal(asked_place(&queue, a, x, 0), 0);
    assert_int_equal(asked_place(&queue, a, y, 0), 1);
    release_oldest(&queue, 0);
    release_oldest(&queue, 0);
    // One is kept, the other one is anybody's.
    assert_int_equal(upload_queue_wait(&queue, &one.place, 0), 0);
    assert_int_equal(upload_queue_wait(&queue, &two.place, 0), 1);
    assert_int_equal(one.slots, 1);
    assert_int_equal(two.slots, 0);
    upload_queue_done(&queue);
}

static void test_retry(void **state _unused_) {
    IpAddress address = a;
    MerkleHash root = x;
    UploadQueue queue;
    UploadTurn turn;

    upload_queue_init(&queue, 2);
    assert_int_equal(ask(&queue, address, root, 0, &turn), 1);
    assert_int_equal(ask(&queue, address, root, 0, &turn), 1);
    for (unsigned i = 1; i <= UPLOADS_WAITING_PER_ADDRESS_MAX; i++) {
        root.bytes[0] = i % 256;
        root.bytes[1] = i / 256;
        assert_int_equal(ask(&queue, address, root, 0, &turn), 0);
        assert_int_equal(turn.place, i);
        assert_int_equal(turn.retry_seconds, MIN((i + 1) / 2, (unsigned)RETRY_SECONDS_MAX));
    }
    // One host does not fill the queue.
    root.bytes[2] = 1;
    assert_int_equal(ask(&queue, address, root, 0, &turn), -EBUSY);
    assert_int_equal(turn.place, 0);
    assert_int_equal(turn.retry_seconds, RETRY_SECONDS_MAX);
    assert_int_equal(asked_place(&queue, b, x, 0), UPLOADS_WAITING_PER_ADDRESS_MAX + 1);
    upload_queue_done(&queue);
}

static void test_full(void **state _unused_) {
    Waiter waiters[UPLOADS_WAITING_MAX + 2], refused = waiter(a);
    UploadQueue queue;
    UploadTurn turn;

    upload_queue_init(&queue, 1);
    for (size_t i = 0; i < UPLOADS_WAITING_MAX + 1; i++) {
        IpAddress address = {.family = AF_INET, .v4 = {(in_addr_t)i}};

        waiters[i] = waiter(address);
        assert_int_equal(upload_queue_wait(&queue, &waiters[i].place, 0), i > 0);
    }
    assert_int_equal(upload_queue_wait(&queue, &refused.place, 0), -EBUSY);
    assert_int_equal(ask(&queue, b, x, 0, &turn), -EBUSY);
    upload_queue_done(&queue);
}

// Of four slots, a has its two: then b comes before it, although it came later; and then a again.
static void test_half_of_the_slots(void **state _unused_) {
    Waiter has[4] = {waiter(a), waiter(a), waiter(a), waiter(a)};
    Waiter again = waiter(a), other = waiter(b), last = waiter(a);
    UploadQueue queue;

    upload_queue_init(&queue, 4);
    for (size_t i = 0; i < ELEMENTSOF(has); i++) // nobody else wants them
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    assert_int_equal(upload_queue_wait(&queue, &again.place, 0), 1);
    assert_int_equal(upload_queue_wait(&queue, &last.place, 0), 1);
    assert_int_equal(upload_queue_wait(&queue, &other.place, 0), 1);
    assert_int_equal(asked_place(&queue, b, x, 0), 4);
    release(&queue, &has[0].place.slot, 0);
    assert_int_equal(again.slots, 0);
    assert_int_equal(other.slots, 1);
    // The second one is kept for the client of b, and counts as b's.
    release(&queue, &has[1].place.slot, 0);
    assert_int_equal(again.slots, 0);
    assert_int_equal(queue.reserved, 1);
    // By now nobody else waits.
    release(&queue, &has[2].place.slot, 0);
    assert_int_equal(again.slots, 1);
    assert_int_equal(last.slots, 0);
    assert_int_equal(asked_place(&queue, b, x, 0), 0);
    release(&queue, &again.place.slot, 0);
    assert_int_equal(last.slots, 1);
    upload_queue_done(&queue);
}

// A slot that is kept for one of a site is one that the site has.
static void test_half_of_the_slots_with_kept_ones(void **state _unused_) {
    Waiter has[2] = {waiter(a), waiter(b)}, other = waiter(b);
    UploadQueue queue;

    upload_queue_init(&queue, 2);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    assert_int_equal(asked_place(&queue, a, x, 0), 1);
    assert_int_equal(asked_place(&queue, a, y, 0), 2);
    assert_int_equal(upload_queue_wait(&queue, &other.place, 0), 1);
    release(&queue, &has[0].place.slot, 0); // kept for the first
    release(&queue, &has[1].place.slot, 0);
    assert_int_equal(other.slots, 1);
    assert_int_equal(asked_place(&queue, a, y, 0), 2);
    upload_queue_done(&queue);
}

// Addresses of one /64 are one site.
static void test_site_of_ipv6(void **state _unused_) {
    const IpAddress one = {.family = AF_INET6, .v6.s6_addr = {0x20, 1, [15] = 1}};
    const IpAddress two = {.family = AF_INET6, .v6.s6_addr = {0x20, 1, [15] = 2}};
    Waiter has[2] = {waiter(one), waiter(two)}, again = waiter(one), other = waiter(a);
    UploadQueue queue;

    upload_queue_init(&queue, 2);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    assert_int_equal(upload_queue_wait(&queue, &again.place, 0), 1);
    assert_int_equal(upload_queue_wait(&queue, &other.place, 0), 1);
    release(&queue, &has[0].place.slot, 0);
    assert_int_equal(other.slots, 1);
    upload_queue_done(&queue);
}

// Who has all slots and gives none back.
static void test_patience(void **state _unused_) {
    const uint64_t late = PATIENCE_SECONDS * second;
    Waiter has[5] = {waiter(a), waiter(a), waiter(a), waiter(a), waiter(a)};
    Waiter same = waiter(a), others[3] = {waiter(b), waiter(b), waiter(b)};
    UploadQueue queue;

    upload_queue_init(&queue, ELEMENTSOF(has));
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    // It may wait for itself.
    assert_int_equal(upload_queue_wait(&queue, &same.place, 0), 1);
    upload_queue_tick(&queue, 10 * late);
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        assert_int_equal(upload_queue_wait(&queue, &others[i].place, 10 * late), 1);
    upload_queue_tick(&queue, 11 * late - 1);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_false(has[i].revoked);
    // Down to its share, from the newest.
    for (size_t i = 0; i < 2; i++) {
        Waiter *newest = &has[ELEMENTSOF(has) - 1 - i];

        upload_queue_tick(&queue, 11 * late + i);
        assert_true(newest->revoked);
        release(&queue, &newest->place.slot, 11 * late + i);
        assert_int_equal(others[i].slots, 1);
    }
    upload_queue_tick(&queue, 20 * late);
    for (size_t i = 0; i < 3; i++)
        assert_false(has[i].revoked);
    assert_int_equal(same.slots + others[2].slots, 0);
    upload_queue_done(&queue);
}

// Slots that were taken away by a reload are nobody's: those that have one keep it.
static void test_patience_with_fewer_slots(void **state _unused_) {
    Waiter has[3] = {waiter(a), waiter(a), waiter(a)}, other = waiter(b);
    UploadQueue queue;

    upload_queue_init(&queue, 3);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    upload_queue_set_slots(&queue, 1, 0);
    assert_int_equal(upload_queue_wait(&queue, &other.place, 0), 1);
    upload_queue_tick(&queue, 2 * PATIENCE_SECONDS * second);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_false(has[i].revoked);
    upload_queue_done(&queue);
}

// An HTTP client is as impatient as others, as long as it comes back.
static void test_patience_of_one_that_comes_back(void **state _unused_) {
    Waiter has[2] = {waiter(a), waiter(a)};
    UploadQueue queue;

    upload_queue_init(&queue, 2);
    for (size_t i = 0; i < ELEMENTSOF(has); i++)
        assert_int_equal(upload_queue_wait(&queue, &has[i].place, 0), 0);
    for (unsigned i = 0; i <= PATIENCE_SECONDS; i++) {
        assert_false(has[1].revoked);
        assert_true(upload_queue_is_waited_for(&queue) == (i > 0));
        assert_int_equal(asked_place(&queue, b, x, i * second), 1);
        upload_queue_tick(&queue, i * second);
    }
    assert_true(has[1].revoked && !has[0].revoked);
    release(&queue, &has[1].place.slot, PATIENCE_SECONDS * second);
    assert_false(upload_queue_is_waited_for(&queue)); // it is kept for it
    assert_int_equal(asked_place(&queue, b, x, PATIENCE_SECONDS * second), 0);
    upload_queue_done(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_slots, setup),
        cmocka_unit_test_setup(test_leave, setup),
        cmocka_unit_test_setup(test_more_slots, setup),
        cmocka_unit_test_setup(test_first_come, setup),
        cmocka_unit_test_setup(test_who_does_not_come_back, setup),
        cmocka_unit_test_setup(test_no_slot_is_wasted, setup),
        cmocka_unit_test_setup(test_retry, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_half_of_the_slots, setup),
        cmocka_unit_test_setup(test_half_of_the_slots_with_kept_ones, setup),
        cmocka_unit_test_setup(test_site_of_ipv6, setup),
        cmocka_unit_test_setup(test_patience, setup),
        cmocka_unit_test_setup(test_patience_with_fewer_slots, setup),
        cmocka_unit_test_setup(test_patience_of_one_that_comes_back, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
