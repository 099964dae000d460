// SPDX-License-Identifier: MIT

#include "peer/shares/hasher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "util/log.h"
#include "util/rate-limit.h"
#include "util/time-util.h"
#include "util/work.h"

enum {
    THREADS_MAX = 64,
    BATCH_FILES_MAX = 256,
    // A batch also takes no more than a second at the rate limit, unless one file is larger.
    BATCH_BYTES_MAX = 16 * 1024 * 1024,
    // Somebody is probably still writing to a larger file that changed a moment ago. Hash it only
    // after it has been quiet for QUIET_NSEC. Double that time whenever the file changed while it
    // was read.
    QUIET_BYTES_MIN = 16 * 1024 * 1024,
    QUIET_DOUBLINGS_MAX = 7,
    RESTLESS_MAX = 16, // how many files have such a count
};

static const int64_t QUIET_NSEC = INT64_C(5000000000);
// Two changes within one tick of the file system's clock look the same, so read only files whose
// last change is older.
static const int64_t TICK_NSEC = 20000000;
// Time until the next attempt when memory or threads ran out.
static const uint64_t RETRY_USEC = 10 * USEC_PER_SEC;
// A sleeping thread checks at this interval whether it is still wanted.
static const uint64_t NAP_USEC = 50 * USEC_PER_MSEC;

static const size_t NOT_WANTED = SIZE_MAX;

typedef struct Item {
    ShareFile file;
    // Only the loop uses it: the place in the table, or NOT_WANTED.
    size_t index;
    // The file must not have changed for this long.
    int64_t quiet_nsec;
    atomic_bool cancelled;
    // The thread owns these members until the batch is done.
    int result;
    uint64_t wait_usec; // after -EAGAIN: try again after this time
    FileHash hash;
} Item;

typedef struct Batch {
    RootCache *roots;
    Item items[BATCH_FILES_MAX];
    size_t count;
    unsigned threads;
    pthread_mutex_t lock;
    RateLimit rate;          // under the lock
    atomic_size_t current;   // the item that the thread is reading
    _Atomic uint64_t hashed; // bytes of that item
} Batch;

// A file that changed while it was hashed.
typedef struct Restless {
    char *path; // owned; ShareFile.root and .relative
    unsigned times;
} Restless;

struct Hasher {
    sd_event *event;
    RootCache *roots;
    HasherHooks hooks;
    unsigned threads;
    uint64_t rate;
    ShareTable *table;
    size_t next; // the first entry not examined yet
    Work *work;
    Batch *batch;           // only while there is work, which owns it
    sd_event_source *again; // timer for files that must be quiet first
    uint64_t wait_usec;     // the shortest such wait; UINT64_MAX: none
    Restless restless[RESTLESS_MAX];
    size_t restless_next; // the oldest one
};

// ----------------------------------------------------------------------------------- in the thread

static int hasher_check_wanted(const Batch *batch) {
    return atomic_load(&batch->items[atomic_load(&batch->current)].cancelled) ? -ECANCELED : 0;
}

static int hasher_nap(const Batch *batch, uint64_t usec) {
    struct timespec ts = {.tv_nsec = (long)(MIN(usec, NAP_USEC) * 1000)};

    (void)nanosleep(&ts, NULL);
    return hasher_check_wanted(batch);
}

// Called before each read: waits until the rate limit allows it.
static int hasher_pass_gate(size_t bytes, void *userdata) {
    Batch *batch = userdata;
    size_t left = bytes;

    while (left > 0) {
        uint64_t granted, wait;

        pthread_mutex_lock(&batch->lock);
        granted = rate_limit_grant(&batch->rate, left, time_monotonic());
        rate_limit_spend(&batch->rate, granted);
        wait = rate_limit_wait(&batch->rate);
        pthread_mutex_unlock(&batch->lock);
        left -= granted;
        if (left > 0 && granted == 0 && hasher_nap(batch, MAX(wait, USEC_PER_MSEC)) < 0)
            return -ECANCELED;
    }
    atomic_fetch_add(&batch->hashed, bytes);
    return hasher_check_wanted(batch);
}

static int64_t hasher_age_nsec(const struct timespec *when) {
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - when->tv_sec) * INT64_C(1000000000) + now.tv_nsec - when->tv_nsec;
}

static int hasher_hash_item(Batch *batch, FileHasher *hasher, Item *item) {
    _cleanup_close_ int fd = -EBADF;
    struct stat st;
    int64_t age;
    int r;

    fd = share_file_open(&item->file, &st);
    if (fd < 0)
        return fd;
    // A time in the future tells nothing about the file's age.
    age = hasher_age_nsec(&st.st_mtim);
    if (st.st_size > QUIET_BYTES_MIN && age >= 0 && age < item->quiet_nsec) {
        item->wait_usec = (uint64_t)(item->quiet_nsec - age) / 1000 + 1;
        return -EAGAIN;
    }
    age = hasher_age_nsec(&st.st_ctim);
    if (age >= 0 && age < TICK_NSEC &&
        hasher_nap(batch, (uint64_t)(TICK_NSEC - age) / 1000 + 1) < 0)
        return -ECANCELED;
    r = file_hash(hasher, fd, hasher_pass_gate, batch, &item->hash);
    if (r >= 0 && share_stamp_of(&item->hash.identity) != item->file.stamp) {
        file_hash_done(&item->hash);
        return -ESTALE;
    }
    return r;
}

static int hasher_keep_hashes(Batch *batch) {
    FileHash hashes[BATCH_FILES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].result >= 0)
            hashes[n++] = batch->items[i].hash;
    return root_cache_put(batch->roots, hashes, n);
}

static void batch_run(void *job) {
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;
    Batch *batch = job;
    int r;

    r = file_hasher_new(batch->threads, &hasher);
    for (size_t i = 0; i < batch->count; i++) {
        Item *item = &batch->items[i];

        atomic_store(&batch->current, i);
        atomic_store(&batch->hashed, 0);
        item->result = r < 0 ? r : hasher_check_wanted(batch);
        if (item->result >= 0)
            item->result = hasher_hash_item(batch, hasher, item);
    }
    (void)hasher_keep_hashes(batch); // logged; the roots are valid all the same
}

static void batch_free(void *job) {
    Batch *batch = job;

    for (size_t i = 0; i < batch->count; i++) {
        share_file_done(&batch->items[i].file);
        file_hash_done(&batch->items[i].hash);
    }
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

// ------------------------------------------------------------------------------------- on the loop

static bool hasher_is_path(const char *path, const ShareFile *file) {
    size_t len = strlen(file->root);

    return path && strncmp(path, file->root, len) == 0 && path[len] == '/' &&
           strcmp(path + len + 1, file->relative) == 0;
}

static Restless *hasher_find_restless(Hasher *hasher, const ShareFile *file) {
    for (size_t i = 0; i < RESTLESS_MAX; i++)
        if (hasher_is_path(hasher->restless[i].path, file))
            return &hasher->restless[i];
    return NULL;
}

static void hasher_count_restless(Hasher *hasher, const ShareFile *file) {
    Restless *restless = hasher_find_restless(hasher, file);

    if (!restless) {
        restless = &hasher->restless[hasher->restless_next++ % RESTLESS_MAX];
        free(restless->path);
        if (asprintf(&restless->path, "%s/%s", file->root, file->relative) < 0)
            restless->path = NULL;
        restless->times = 0;
    }
    restless->times = MIN(restless->times + 1, (unsigned)QUIET_DOUBLINGS_MAX);
}

static void hasher_start(Hasher *hasher);

// Handles the result of one file.
static void hasher_settle(Hasher *hasher, Item *item, bool *stale) {
    if (item->index == NOT_WANTED || item->result == -ECANCELED)
        return;
    switch (item->result) {
    case 0:
        share_table_set_root(hasher->table, item->index, &item->hash.root);
        break;
    case -EAGAIN:
        hasher->wait_usec = MIN(hasher->wait_usec, item->wait_usec);
        break;
    case -ESTALE:
        hasher_count_restless(hasher, &item->file);
        *stale = true;
        break;
    case -ENOENT: // the next walk will not see it
    case -ELOOP:
    case -ENOTDIR:
        *stale = true;
        break;
    default:
        share_table_set_error(hasher->table, item->index, -item->result);
    }
}

static void batch_done(void *job, void *userdata) {
    Hasher *hasher = userdata;
    Batch *batch = job;
    bool stale = false;

    for (size_t i = 0; i < batch->count; i++)
        hasher_settle(hasher, &batch->items[i], &stale);
    hasher->batch = NULL;
    hasher->work = work_free(hasher->work);
    hasher_start(hasher);
    hasher->hooks.on_hashed(hasher->hooks.userdata);
    if (stale)
        hasher->hooks.on_stale(hasher->hooks.userdata);
}

static int hasher_add_item(Hasher *hasher, Batch *batch, const Share *share) {
    Item *item = &batch->items[batch->count];
    const Restless *restless;
    int r;

    r = share_file(share, &item->file);
    if (r < 0)
        return r;
    restless = hasher_find_restless(hasher, &item->file);
    item->index = share_index(share);
    item->quiet_nsec = QUIET_NSEC << (restless ? restless->times : 0);
    batch->count++;
    return 0;
}

static int hasher_fill(Hasher *hasher, Batch *batch) {
    uint64_t limit =
        hasher->rate > 0 ? MIN(hasher->rate, (uint64_t)BATCH_BYTES_MAX) : (uint64_t)BATCH_BYTES_MAX;
    size_t count = share_table_count(hasher->table);
    uint64_t bytes = 0;

    for (; hasher->next < count && batch->count < BATCH_FILES_MAX; hasher->next++) {
        const Share *share = share_table_at(hasher->table, hasher->next);
        int r;

        if (share_state(share) != SHARE_HASHING)
            continue;
        bytes += share_record(share).size;
        if (batch->count > 0 && bytes > limit)
            break;
        r = hasher_add_item(hasher, batch, share);
        if (r < 0)
            return r;
    }
    return 0;
}

static int hasher_start_batch(Hasher *hasher) {
    static const WorkOps ops = {.run = batch_run, .done = batch_done, .free = batch_free};
    Batch *batch = calloc(1, sizeof(*batch));
    int r;

    if (!batch)
        return -ENOMEM;
    batch->roots = hasher->roots;
    batch->threads = hasher->threads;
    pthread_mutex_init(&batch->lock, NULL);
    rate_limit_set(&batch->rate, hasher->rate);
    r = hasher_fill(hasher, batch);
    if (r < 0 || batch->count == 0) {
        batch_free(batch);
        return r;
    }
    r = work_start(hasher->event, &ops, batch, hasher, &hasher->work);
    if (r >= 0)
        hasher->batch = batch;
    return r;
}

// Starts the next batch, or waits for files that must be quiet first.
static void hasher_start(Hasher *hasher) {
    int r;

    if (hasher->work || !hasher->table)
        return;
    r = hasher_start_batch(hasher);
    if (r < 0) {
        log_error("Cannot hash shared files: %s", strerror(-r));
        hasher->wait_usec = MIN(hasher->wait_usec, RETRY_USEC);
    }
    if (hasher->work || hasher->wait_usec == UINT64_MAX)
        return;
    (void)sd_event_source_set_time_relative(hasher->again, hasher->wait_usec);
    (void)sd_event_source_set_enabled(hasher->again, SD_EVENT_ONESHOT);
    hasher->wait_usec = UINT64_MAX;
}

static int hasher_on_again(sd_event_source *source _unused_, uint64_t usec _unused_,
                           void *userdata) {
    Hasher *hasher = userdata;

    hasher->next = 0;
    hasher_start(hasher);
    return 0;
}

int hasher_new(sd_event *event, RootCache *roots, const HasherHooks *hooks, Hasher **ret) {
    _cleanup_(hasher_freep) Hasher *hasher = calloc(1, sizeof(*hasher));
    int r;

    if (!hasher)
        return -ENOMEM;
    hasher->event = sd_event_ref(event);
    hasher->roots = roots;
    hasher->hooks = *hooks;
    hasher->threads = 1;
    hasher->wait_usec = UINT64_MAX;
    r = sd_event_add_time_relative(event, &hasher->again, CLOCK_MONOTONIC, 0, 0, hasher_on_again,
                                   hasher);
    if (r >= 0)
        r = sd_event_source_set_enabled(hasher->again, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(hasher);
    return 0;
}

Hasher *hasher_free(Hasher *hasher) {
    if (!hasher)
        return NULL;
    for (size_t i = 0; hasher->batch && i < hasher->batch->count; i++)
        atomic_store(&hasher->batch->items[i].cancelled, true);
    work_join(hasher->work);
    sd_event_source_disable_unref(hasher->again);
    for (size_t i = 0; i < RESTLESS_MAX; i++)
        free(hasher->restless[i].path);
    sd_event_unref(hasher->event);
    free(hasher);
    return NULL;
}

void hasher_configure(Hasher *hasher, unsigned threads, uint64_t rate) {
    unsigned wanted = threads > 0 ? threads : (unsigned)MAX(get_nprocs(), 1);

    hasher->threads = MIN(wanted, (unsigned)THREADS_MAX);
    hasher->rate = rate;
    if (!hasher->batch)
        return;
    pthread_mutex_lock(&hasher->batch->lock);
    rate_limit_set(&hasher->batch->rate, rate);
    pthread_mutex_unlock(&hasher->batch->lock);
}

// Finds an item in another table. It is the same file only if nothing about it has changed.
static size_t hasher_find_again(const ShareTable *from, const ShareTable *to, const Item *item) {
    const Share *share;
    Record record;

    if (item->index == NOT_WANTED)
        return NOT_WANTED;
    record = share_record(share_table_at(from, item->index));
    share = share_table_find(to, record.name, record.type, record.size);
    if (!share || share_state(share) != SHARE_HASHING || share_stamp(share) != item->file.stamp)
        return NOT_WANTED;
    return share_index(share);
}

void hasher_set_table(Hasher *hasher, ShareTable *table) {
    Batch *batch = hasher->batch;

    for (size_t i = 0; batch && i < batch->count; i++) {
        batch->items[i].index = hasher_find_again(hasher->table, table, &batch->items[i]);
        if (batch->items[i].index == NOT_WANTED)
            atomic_store(&batch->items[i].cancelled, true);
    }
    hasher->table = table;
    hasher->next = 0;
    hasher->wait_usec = UINT64_MAX;
    (void)sd_event_source_set_enabled(hasher->again, SD_EVENT_OFF);
    hasher_start(hasher);
}

bool hasher_is_idle(const Hasher *hasher) {
    int enabled = SD_EVENT_OFF;

    (void)sd_event_source_get_enabled(hasher->again, &enabled);
    return !hasher->work && enabled == SD_EVENT_OFF;
}

int hasher_percent(const Hasher *hasher, const Share *share) {
    const Batch *batch = hasher->batch;
    uint64_t size = share_record(share).size;

    if (!batch || batch->items[atomic_load(&batch->current)].index != share_index(share))
        return -1;
    return size > 0 ? (int)(MIN(atomic_load(&batch->hashed), size) * 100 / size) : 100;
}
