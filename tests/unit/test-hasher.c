// SPDX-License-Identifier: MIT

// What is hashed when: batches, files that must come to rest, tables that change meanwhile. With a
// fake clock, a thread that runs when the test says so, and files that are no more than a size and
// a time.

#include "peer/shares/hasher.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-clock.h"
#include "fake-event.h"
#include "test.h"
#include "util/file-hash.h"
#include "util/log.h"
#include "util/work.h"

enum {
    FILES_MAX = 300,
    MIB = 1024 * 1024,
};

static const uint64_t second = USEC_PER_SEC;

struct Share {
    ShareTable *table;
    size_t index;
    char name[24];
    uint64_t size, stamp;
    ShareState state;
    int error;
    // The file itself.
    uint64_t written_at; // µs of the fake clock
    int hash_result;     // what becomes of it when it is hashed
    unsigned hashed;     // how often that was tried
};

struct ShareTable {
    Share shares[FILES_MAX];
    size_t count;
};

// ---------------------------------------------------------------------------- instead of the table

size_t share_table_count(const ShareTable *table) {
    return table->count;
}

const Share *share_table_at(const ShareTable *table, size_t i) {
    return &table->shares[i];
}

size_t share_index(const Share *share) {
    return share->index;
}

ShareState share_state(const Share *share) {
    return share->state;
}

uint64_t share_stamp(const Share *share) {
    return share->stamp;
}

Record share_record(const Share *share) {
    return (Record){.name = share->name, .type = "bin", .size = share->size};
}

const Share *share_table_find(const ShareTable *table, const char *name, const char *type _unused_,
                              uint64_t size) {
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->shares[i].name, name) == 0 && table->shares[i].size == size)
            return &table->shares[i];
    return NULL;
}

void share_table_set_root(ShareTable *table, size_t i, const MerkleHash *root _unused_) {
    table->shares[i].state = SHARE_OFFERED;
}

void share_table_set_error(ShareTable *table, size_t i, int error) {
    table->shares[i].state = SHARE_UNREADABLE;
    table->shares[i].error = error;
}

// ---------------------------------------------------------------------------- instead of the files

static Share *opened; // the file that the thread has opened
static ShareTable tables[2];
static int files_on_disk; // the table whose files there are

int share_file(const Share *share, ShareFile *ret) {
    *ret = (ShareFile){
        .root = strdup("/srv"),
        .relative = strdup(share->name),
        .stamp = share->stamp,
    };
    return ret->root && ret->relative ? 0 : -ENOMEM;
}

void share_file_done(ShareFile *file) {
    free(file->root);
    free(file->relative);
}

int share_file_open(const ShareFile *file, struct stat *ret) {
    ShareTable *table = &tables[files_on_disk];

    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->shares[i].name, file->relative) != 0)
            continue;
        opened = &table->shares[i];
        *ret = (struct stat){.st_size = (off_t)opened->size};
        ret->st_mtim.tv_sec = (time_t)(opened->written_at / USEC_PER_SEC);
        return dup(STDERR_FILENO);
    }
    return -ENOENT;
}

uint64_t share_stamp_of(const FileIdentity *identity) {
    return identity->inode;
}

int file_hasher_new(unsigned threads _unused_, FileHasher **ret) {
    *ret = NULL;
    return 0;
}

FileHasher *file_hasher_free(FileHasher *hasher _unused_) {
    return NULL;
}

int file_hash(FileHasher *hasher _unused_, int fd _unused_, FileHashGate gate, void *userdata,
              FileHash *ret) {
    int r = gate(opened->size, userdata);

    if (r < 0)
        return r;
    opened->hashed++;
    *ret = (FileHash){.identity = {.inode = opened->stamp}};
    return opened->hash_result;
}

void file_hash_done(FileHash *hash _unused_) {
}

static size_t cached; // rows

int root_cache_put(RootCache *cache _unused_, const FileHash hashes[] _unused_, size_t n) {
    cached += n;
    return 0;
}

// --------------------------------------------------------------------------- instead of the thread

static struct {
    const WorkOps *ops; // NULL: nothing is under way
    void *job, *userdata;
} work;
static int work_result; // of the next start

int work_start(sd_event *event _unused_, const WorkOps *ops, void *job, void *userdata,
               Work **ret) {
    assert_null(work.ops);
    if (work_result < 0) {
        ops->free(job);
        return work_result;
    }
    work.ops = ops;
    work.job = job;
    work.userdata = userdata;
    *ret = (Work *)(void *)&work;
    return 0;
}

Work *work_free(Work *handle _unused_) {
    return NULL;
}

Work *work_join(Work *handle) {
    if (handle && work.ops) {
        work.ops->run(work.job);
        work.ops->free(work.job);
        work.ops = NULL;
    }
    return NULL;
}

// Runs the batch that is under way. False: there is none.
static bool run_batch(void) {
    const WorkOps *ops = work.ops;
    void *job = work.job;

    if (!ops)
        return false;
    ops->run(job);
    work.ops = NULL; // its end may begin another one
    ops->done(job, work.userdata);
    ops->free(job);
    return true;
}

// ----------------------------------------------------------------------------------------- fixture

static unsigned hashed_calls, stale_calls;

static void on_hashed(void *userdata _unused_) {
    hashed_calls++;
}

static void on_stale(void *userdata _unused_) {
    stale_calls++;
}

static Share *add(ShareTable *table, const char *name, uint64_t size) {
    Share *share = &table->shares[table->count];

    *share = (Share){.table = table, .index = table->count++, .size = size, .stamp = 1};
    snprintf(share->name, sizeof(share->name), "%s", name);
    return share;
}

static void add_many(ShareTable *table, size_t n, uint64_t size) {
    for (size_t i = 0; i < n; i++) {
        char name[24];

        snprintf(name, sizeof(name), "f%zu", i);
        add(table, name, size);
    }
}

static size_t count_offered(const ShareTable *table) {
    size_t n = 0;

    for (size_t i = 0; i < table->count; i++)
        n += table->shares[i].state == SHARE_OFFERED;
    return n;
}

static void wait_usec(uint64_t usec) {
    fake_now += usec;
    fake_timers_run();
}

static int set_up(void **state) {
    const HasherHooks hooks = {.on_hashed = on_hashed, .on_stale = on_stale};
    Hasher *hasher;

    log_set_max_level(LOG_EMERG);
    tables[0].count = tables[1].count = 0;
    files_on_disk = 0;
    work_result = 0;
    hashed_calls = stale_calls = 0;
    cached = 0;
    fake_now = 1000 * second;
    assert_int_equal(hasher_new(NULL, NULL, &hooks, &hasher), 0);
    hasher_configure(hasher, 1, 0);
    *state = hasher;
    return 0;
}

static int tear_down(void **state) {
    hasher_free(*state);
    assert_null(work.ops);
    assert_int_equal(fake_timers_count(), 0);
    return 0;
}

// ----------------------------------------------------------------------------------------- batches

static void test_many_small_files(void **state) {
    Hasher *hasher = *state;

    add_many(&tables[0], 300, 1000);
    hasher_set_table(hasher, &tables[0]);
    assert_false(hasher_is_idle(hasher));
    assert_int_equal(count_offered(&tables[0]), 0);
    assert_true(run_batch());
    assert_int_equal(count_offered(&tables[0]), 256);
    assert_int_equal(hashed_calls, 1);
    assert_true(run_batch());
    assert_int_equal(count_offered(&tables[0]), 300);
    assert_int_equal(cached, 300);
    assert_false(run_batch());
    assert_true(hasher_is_idle(hasher));
}

static void test_bytes_of_a_batch(void **state) {
    static const struct {
        const char *proves;
        uint64_t rate, size;
        size_t files; // in the first batch
    } rows[] = {
        {"16 MiB", 0, 4 * MIB, 4},
        {"a file that is larger is a batch of its own", 0, 20 * MIB, 1},
        {"no more than a second's", 2 * MIB, MIB, 2},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        ROW(&rows[i]);
        tear_down(state);
        set_up(state);
        add_many(&tables[0], 6, rows[i].size);
        hasher_configure(*state, 1, rows[i].rate);
        hasher_set_table(*state, &tables[0]);
        if (rows[i].rate > 0)
            hasher_configure(*state, 1, 0); // so that nobody sleeps for it here
        assert_true(run_batch());
        assert_int_equal(count_offered(&tables[0]), rows[i].files);
    }
}

static void test_known_files_are_left_alone(void **state) {
    Share *known = add(&tables[0], "known", 10), *gone = add(&tables[0], "gone", 10);
    const Share *new = add(&tables[0], "new", 10);

    known->state = SHARE_OFFERED;
    gone->state = SHARE_UNREADABLE;
    hasher_set_table(*state, &tables[0]);
    assert_true(run_batch());
    assert_int_equal(known->hashed + gone->hashed, 0);
    assert_int_equal(new->hashed, 1);
}

// ------------------------------------------------------------------------------------- what fails

static void test_results(void **state) {
    static const struct {
        const char *proves;
        int result;
        ShareState becomes;
        bool stale;
    } rows[] = {
        {"an error of the disk is shown", -EIO, SHARE_UNREADABLE, false},
        {"a file that has changed is walked again", -ESTALE, SHARE_HASHING, true},
        {"a file that is gone is walked again", -ENOENT, SHARE_HASHING, true},
        {"a good one is offered", 0, SHARE_OFFERED, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        Share *share;

        ROW(&rows[i]);
        tear_down(state);
        set_up(state);
        share = add(&tables[0], "a", 10);
        share->hash_result = rows[i].result;
        hasher_set_table(*state, &tables[0]);
        assert_true(run_batch());
        assert_int_equal(share->state, rows[i].becomes);
        assert_int_equal(share->error, rows[i].becomes == SHARE_UNREADABLE ? EIO : 0);
        assert_int_equal(stale_calls, rows[i].stale);
        assert_int_equal(cached, rows[i].result == 0);
    }
}

static void test_no_thread(void **state) {
    Hasher *hasher = *state;
    const Share *share = add(&tables[0], "a", 10);

    work_result = -EAGAIN;
    hasher_set_table(hasher, &tables[0]);
    assert_false(hasher_is_idle(hasher)); // it tries again
    work_result = 0;
    wait_usec(10 * second - 1);
    assert_false(run_batch());
    wait_usec(1);
    assert_true(run_batch());
    assert_int_equal(share->state, SHARE_OFFERED);
}

// ------------------------------------------------------------------------------- files that change

static void test_a_recording(void **state) {
    Share *share = add(&tables[0], "film", 20 * MIB);
    const Share *small = add(&tables[0], "small", 10);

    share->written_at = fake_now - second;
    hasher_set_table(*state, &tables[0]);
    assert_true(run_batch());
    assert_int_equal(share->hashed, 0);
    assert_true(run_batch()); // the others do not wait for it
    assert_int_equal(small->state, SHARE_OFFERED);
    wait_usec(4 * second - 1);
    assert_false(run_batch());
    wait_usec(2);
    assert_true(run_batch());
    assert_int_equal(share->state, SHARE_OFFERED);
}

static void test_a_file_that_changes_again_and_again(void **state) {
    Hasher *hasher = *state;
    Share *share = add(&tables[0], "film", 20 * MIB);
    uint64_t quiet = 5 * second;

    share->hash_result = -ESTALE;
    for (int i = 0; i < 9; i++) {
        share->written_at = fake_now;
        hasher_set_table(hasher, &tables[0]);
        assert_true(run_batch()); // finds that it is too early
        assert_int_equal(share->hashed, i);
        wait_usec(quiet - second);
        assert_false(run_batch());
        wait_usec(2 * second);
        assert_true(run_batch());
        assert_int_equal(share->hashed, i + 1);
        quiet = MIN(2 * quiet, (5 * second) << 7);
    }
}

// ------------------------------------------------------------------------- another table meanwhile

static void test_what_stays_goes_on(void **state) {
    Hasher *hasher = *state;
    const Share *moved, *changed;

    add(&tables[0], "stays", 10);
    add(&tables[0], "changed", 10);
    add(&tables[0], "gone", 10);
    hasher_set_table(hasher, &tables[0]);
    add(&tables[1], "new", 10);
    moved = add(&tables[1], "stays", 10);
    changed = add(&tables[1], "changed", 10);
    tables[1].shares[2].stamp = 2;
    files_on_disk = 1;
    hasher_set_table(hasher, &tables[1]);

    assert_true(run_batch());
    assert_int_equal(moved->state, SHARE_OFFERED);
    assert_int_equal(changed->state, SHARE_HASHING); // that was the old one
    assert_int_equal(changed->hashed, 0);
    assert_int_equal(stale_calls, 0);
    assert_true(run_batch());
    assert_int_equal(count_offered(&tables[1]), 3);
    assert_int_equal(moved->hashed, 1);
}

static void test_percent(void **state) {
    Hasher *hasher = *state;
    const Share *first = add(&tables[0], "a", 10), *second_file = add(&tables[0], "b", 10);

    assert_int_equal(hasher_percent(hasher, first), -1);
    hasher_set_table(hasher, &tables[0]);
    assert_int_equal(hasher_percent(hasher, first), 0);
    assert_int_equal(hasher_percent(hasher, second_file), -1);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_many_small_files),
        TEST(test_bytes_of_a_batch),
        TEST(test_known_files_are_left_alone),
        TEST(test_results),
        TEST(test_no_thread),
        TEST(test_a_recording),
        TEST(test_a_file_that_changes_again_and_again),
        TEST(test_what_stays_goes_on),
        TEST(test_percent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
