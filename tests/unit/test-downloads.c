// SPDX-License-Identifier: MIT

// The downloads without a peer: an FT that is nowhere, and a directory that cannot be written to.

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "peer/downloads/download.h"

static char dir[] = "/tmp/test-downloads.XXXXXX";
static const PrefixList no_exempt;

typedef struct Fixture {
    sd_event *event;
    Poller *poller;
    Tracker *tracker;
    TransferTable transfers;
    Downloads downloads;
} Fixture;

static bool next_offered(void *userdata _unused_, size_t *position _unused_, Record *ret _unused_) {
    return false;
}

static const char *offer_pending(void *userdata _unused_) {
    return NULL;
}

static int set_up(void **state) {
    static const TrackerHooks hooks = {
        .next_offered = next_offered,
        .offer_pending = offer_pending,
    };
    static Fixture fixture;
    const DownloadsConfig config = {.directory = dir, .exempt = &no_exempt};
    DownloadsParts parts = {.transfers = &fixture.transfers};

    assert_non_null(mkdtemp(dir));
    assert_true(sd_event_new(&fixture.event) >= 0);
    assert_int_equal(poller_new(fixture.event, &fixture.poller), 0);
    assert_int_equal(transfer_table_init(&fixture.transfers, fixture.event), 0);
    assert_int_equal(tracker_new(fixture.event, fixture.poller, &hooks, &fixture.tracker), 0);
    parts.event = fixture.event;
    parts.poller = fixture.poller;
    parts.tracker = fixture.tracker;
    assert_int_equal(downloads_init(&fixture.downloads, &parts, dir, &config), 0);
    *state = &fixture;
    return 0;
}

static int remove_one(const char *name, const struct stat *st _unused_, int flag _unused_,
                      struct FTW *ftw _unused_) {
    return remove(name);
}

static int tear_down(void **state) {
    Fixture *fixture = *state;

    tracker_free(fixture->tracker);
    downloads_stop(&fixture->downloads);
    transfer_table_done(&fixture->transfers);
    downloads_done(&fixture->downloads);
    poller_free(fixture->poller);
    sd_event_unref(fixture->event);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_not_joined(void **state) {
    Fixture *fixture = *state;
    const DownloadFilter filter = {};
    Transfer *transfer;

    assert_int_equal(download_start(&fixture->downloads, "a.txt", &filter, 0, -EBADF, &transfer),
                     -ENOTCONN);
    assert_int_equal(fixture->transfers.count, 0);
}

// A download that was stored before a restart is taken up, waits for FT, and is forgotten when it
// is cancelled.
static void test_restored(void **state) {
    Fixture *fixture = *state;
    StoredTransfer stored = {.file_name = "b.txt", .filter = {.has_root = true}};
    Transfer *transfer;

    assert_int_equal(transfer_store_put(fixture->downloads.store, &stored), 0);
    download_restore_all(&fixture->downloads);
    assert_int_equal(fixture->transfers.downloads, 1);
    transfer = TAILQ_FIRST(&fixture->transfers.list);
    assert_int_equal(transfer->state, TRANSFER_WAITING);
    assert_int_equal(transfer_pause(transfer), 0);
    assert_int_equal(transfer->state, TRANSFER_PAUSED);
    assert_int_equal(transfer_resume(transfer), 0);
    assert_int_equal(transfer->state, TRANSFER_WAITING); // FT is nowhere
    transfer_cancel(transfer);
    assert_int_equal(transfer->state, TRANSFER_CANCELLED);
    download_restore_all(&fixture->downloads);
    assert_int_equal(fixture->transfers.downloads, 0); // it is promised no longer
}

static void test_directory(void **state) {
    Fixture *fixture = *state;
    DownloadsConfig config = fixture->downloads.config;

    downloads_check_directory(&fixture->downloads);
    assert_null(fixture->downloads.directory_problem);
    config.directory = "/nonexistent/downloads";
    downloads_configure(&fixture->downloads, &config);
    downloads_check_directory(&fixture->downloads);
    assert_int_equal(fixture->downloads.directory_error, -ENOENT);
    assert_non_null(strstr(fixture->downloads.directory_problem, "/nonexistent/downloads"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_joined),
        cmocka_unit_test(test_restored),
        cmocka_unit_test(test_directory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
