// SPDX-License-Identifier: MIT

#include "peer/upload-queue.h"
#include "test.h"

static const IpAddress a = {.family = AF_INET, .v4 = {1}}, b = {.family = AF_INET, .v4 = {2}};
static const MerkleHash x = {{1}}, y = {{2}};
static const uint64_t second = USEC_PER_SEC;

// A DOWNLOAD that waits.
typedef struct Waiter {
    UploadPlace place;
    unsigned slots;
} Waiter;

static void on_slot(UploadPlace *place) {
    container_of(place, Waiter, place)->slots++;
}

static Waiter waiter(IpAddress address) {
    return (Waiter){.place = {.address = address, .on_slot = on_slot}};
}

// What upload_queue_ask() says, as "slot" or the place.
static unsigned asked_place(UploadQueue *queue, IpAddress address, MerkleHash root, uint64_t now) {
    UploadTurn turn;
    int r = upload_queue_ask(queue, &address, &root, now, &turn);

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
    upload_queue_release(&queue, 2);
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
    upload_queue_release(&queue, 2);
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
    upload_queue_release(&queue, 5);
    upload_queue_release(&queue, 5);
    assert_int_equal(asked_place(&queue, b, x, 6), 1);
    upload_queue_release(&queue, 7);
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
    upload_queue_release(&queue, second);
    assert_int_equal(middle.slots, 0);
    assert_int_equal(asked_place(&queue, b, y, second), 3);
    assert_int_equal(asked_place(&queue, b, x, second), 4);
    assert_int_equal(asked_place(&queue, a, y, 2 * second), 0);
    assert_int_equal(asked_place(&queue, b, y, 2 * second), 2);
    upload_queue_release(&queue, 2 * second);
    assert_int_equal(middle.slots, 1);
    assert_int_equal(asked_place(&queue, b, y, 2 * second), 1);
    upload_queue_release(&queue, 2 * second);
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
    upload_queue_release(&queue, 0); // kept for the first
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
    upload_queue_release(&queue, 0);
    upload_queue_release(&queue, 0);
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
    assert_int_equal(upload_queue_ask(&queue, &address, &root, 0, &turn), 1);
    assert_int_equal(upload_queue_ask(&queue, &address, &root, 0, &turn), 1);
    for (unsigned i = 1; i <= UPLOADS_WAITING_PER_ADDRESS_MAX; i++) {
        root.bytes[0] = i % 256;
        root.bytes[1] = i / 256;
        assert_int_equal(upload_queue_ask(&queue, &address, &root, 0, &turn), 0);
        assert_int_equal(turn.place, i);
        assert_int_equal(turn.retry_seconds, MIN((i + 1) / 2, (unsigned) RETRY_SECONDS_MAX));
    }
    // One host does not fill the queue.
    root.bytes[2] = 1;
    assert_int_equal(upload_queue_ask(&queue, &address, &root, 0, &turn), -EBUSY);
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
        IpAddress address = {.family = AF_INET, .v4 = {(in_addr_t) i}};

        waiters[i] = waiter(address);
        assert_int_equal(upload_queue_wait(&queue, &waiters[i].place, 0), i > 0);
    }
    assert_int_equal(upload_queue_wait(&queue, &refused.place, 0), -EBUSY);
    assert_int_equal(upload_queue_ask(&queue, &b, &x, 0, &turn), -EBUSY);
    upload_queue_done(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_more_slots),
        cmocka_unit_test(test_first_come),
        cmocka_unit_test(test_who_does_not_come_back),
        cmocka_unit_test(test_no_slot_is_wasted),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
