// SPDX-License-Identifier: MIT

#include "peer/base/transfer.h"
#include "test.h"
#include "util/time-util.h"

static size_t freed;

static void free_it(Transfer *transfer) {
    free(transfer);
    freed++;
}

static uint64_t moved(const Transfer *transfer _unused_) {
    return 7;
}

static void cancel(Transfer *transfer) {
    transfer_finish(transfer, TRANSFER_CANCELLED, NULL, NULL);
}

static const TransferOps ops = {.cancel = cancel, .free = free_it, .moved = moved};

static Transfer *add(TransferTable *table) {
    Transfer *transfer = calloc(1, sizeof(*transfer));

    assert_non_null(transfer);
    transfer->ops = &ops;
    transfer->direction = TRANSFER_DOWNLOAD;
    transfer->state = TRANSFER_ACTIVE;
    assert_int_equal(transfer_add(table, transfer), 0);
    return transfer;
}

// Those that end together are more than a reply on D-Bus should hold: the first ones go at the next
// tick, though they would have stayed for ten seconds.
static void test_few_linger(void **state _unused_) {
    sd_event *event = NULL;
    TransferTable table;
    Transfer *last = NULL;

    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(transfer_table_init(&table, event), 0);
    freed = 0;
    for (size_t i = 0; i < LINGERING_MAX + 100; i++)
        last = add(&table);
    for (Transfer *transfer = TAILQ_FIRST(&table.list); transfer;
         transfer = TAILQ_NEXT(transfer, link)) {
        transfer_cancel(transfer);
        assert_int_equal(transfer_moved(transfer), 7);
        transfer->ended += 3600 * USEC_PER_SEC; // however slow this machine is
    }
    assert_int_equal(table.lingering, LINGERING_MAX + 100);
    for (int i = 0; i < 100 && table.lingering > LINGERING_MAX; i++)
        assert_true(sd_event_run(event, USEC_PER_SEC) >= 0);
    assert_int_equal(table.lingering, LINGERING_MAX);
    assert_int_equal(table.count, LINGERING_MAX);
    assert_int_equal(freed, 100);
    assert_ptr_equal(transfer_find(&table, last->id), last);
    transfer_table_done(&table);
    assert_int_equal(freed, LINGERING_MAX + 100);
    sd_event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_linger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
