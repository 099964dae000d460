// SPDX-License-Identifier: MIT

#include "util/file-hash.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    // A read of this size bypasses the cache while copying, which was measured at half the cost (16
    // KiB: 5, 256 KiB: 11, 1 MiB: 18 GB/s). Larger reads gain nothing.
    READ_BYTES = 1024 * 1024,
    // Check after this many pieces whether the file has changed, rather than only at its end.
    PIECES_BETWEEN_LOOKS = 64,
};

typedef struct FileHashJob {
    int fd;
    uint64_t size;
    uint64_t piece_count;
    FileHashGate gate;
    void *userdata;
    const FileIdentity *identity;
    MerkleHash *pieces;
    _Atomic uint64_t next; // the next piece to hash
    atomic_int result;     // the first error
} FileHashJob;

typedef struct FileHashWorker {
    Merkle *merkle;
    LeafHasher *leaves; // may be NULL
    uint8_t *buffer;
    FileHashJob *job;
    pthread_t thread;
} FileHashWorker;

struct FileHasher {
    unsigned threads;
    FileHashWorker workers[];
};

static int64_t file_hash_nanoseconds(const struct timespec *ts) {
    // Wraps for times that no clock will show. The value is only compared.
    return (int64_t)((uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec);
}

FileIdentity file_identity(const struct stat *st) {
    return (FileIdentity){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .modified = file_hash_nanoseconds(&st->st_mtim),
        .changed = file_hash_nanoseconds(&st->st_ctim),
    };
}

bool file_identity_equal(const FileIdentity *a, const FileIdentity *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified == b->modified && a->changed == b->changed;
}

void file_hash_done(FileHash *hash) {
    free(hash->pieces);
    *hash = (FileHash){};
}

int file_hasher_new(unsigned threads, FileHasher **ret) {
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;
    int r;

    hasher = calloc(1, sizeof(*hasher) + threads * sizeof(hasher->workers[0]));
    if (!hasher)
        return -ENOMEM;
    for (; hasher->threads < threads; hasher->threads++) {
        FileHashWorker *worker = &hasher->workers[hasher->threads];

        r = merkle_new(&worker->merkle);
        if (r < 0)
            return r;
        worker->leaves = leaf_hasher_new();
        merkle_use(worker->merkle, worker->leaves);
        // The kernel allocates only the pages that a file fills.
        worker->buffer = aligned_alloc(4096, READ_BYTES);
        if (!worker->buffer) {
            merkle_free(worker->merkle);
            leaf_hasher_free(worker->leaves);
            return -ENOMEM;
        }
    }
    *ret = TAKE_PTR(hasher);
    return 0;
}

FileHasher *file_hasher_free(FileHasher *hasher) {
    if (!hasher)
        return NULL;
    for (unsigned i = 0; i < hasher->threads; i++) {
        merkle_free(hasher->workers[i].merkle);
        leaf_hasher_free(hasher->workers[i].leaves);
        free(hasher->workers[i].buffer);
    }
    free(hasher);
    return NULL;
}

static int file_hash_read_exactly(int fd, uint8_t *buffer, size_t n, uint64_t offset) {
    while (n > 0) {
        ssize_t got = pread(fd, buffer, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -ESTALE; // shorter than before
        buffer += got;
        n -= got;
        offset += got;
    }
    return 0;
}

static int file_hash_check_unchanged(const FileHashJob *job) {
    FileIdentity now;
    struct stat st;

    if (fstat(job->fd, &st) < 0)
        return -errno;
    now = file_identity(&st);
    return file_identity_equal(&now, job->identity) ? 0 : -ESTALE;
}

static int file_hash_piece(FileHashWorker *worker, FileHashJob *job, uint64_t piece) {
    uint64_t at = piece * piece_bytes(job->size), end = at + piece_len(job->size, piece);
    int r = 0;

    if (piece % PIECES_BETWEEN_LOOKS == PIECES_BETWEEN_LOOKS - 1)
        r = file_hash_check_unchanged(job);
    while (r >= 0 && at < end) {
        size_t n = MIN(end - at, (uint64_t)READ_BYTES);

        r = job->gate ? job->gate(n, job->userdata) : 0;
        if (r >= 0)
            r = file_hash_read_exactly(job->fd, worker->buffer, n, at);
        if (r >= 0)
            r = merkle_update(worker->merkle, worker->buffer, n);
        at += n;
    }
    // Also after an error, so that the next piece starts afresh.
    if (merkle_finish_piece(worker->merkle, job->size, &job->pieces[piece]) < 0 && r >= 0)
        r = -EIO;
    return r;
}

static void *file_hash_worker_main(void *arg) {
    FileHashWorker *worker = arg;
    FileHashJob *job = worker->job;
    uint64_t piece;

    while (atomic_load(&job->result) == 0 &&
           (piece = atomic_fetch_add(&job->next, 1)) < job->piece_count) {
        int r = file_hash_piece(worker, job, piece), none = 0;

        if (r < 0)
            atomic_compare_exchange_strong(&job->result, &none, r);
    }
    return NULL;
}

// Hashes in this thread and in others. Works with fewer threads than wanted.
static void file_hash_run_workers(FileHasher *hasher, FileHashJob *job) {
    unsigned wanted = MIN((uint64_t)hasher->threads, job->piece_count), started;

    for (unsigned i = 0; i < wanted; i++)
        hasher->workers[i].job = job;
    for (started = 1; started < wanted; started++)
        if (pthread_create(&hasher->workers[started].thread, NULL, file_hash_worker_main,
                           &hasher->workers[started]) != 0)
            break;
    file_hash_worker_main(&hasher->workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(hasher->workers[i].thread, NULL);
}

int file_hash(FileHasher *hasher, int fd, FileHashGate gate, void *userdata, FileHash *ret) {
    _cleanup_free_ MerkleHash *pieces = NULL;
    FileIdentity identity;
    MerkleHash root;
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    identity = file_identity(&st);
    pieces = calloc(piece_count(identity.size), sizeof(*pieces));
    if (!pieces)
        return -ENOMEM;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);

    FileHashJob job = {
        .fd = fd,
        .size = identity.size,
        .piece_count = piece_count(identity.size),
        .gate = gate,
        .userdata = userdata,
        .identity = &identity,
        .pieces = pieces,
    };

    file_hash_run_workers(hasher, &job);
    r = atomic_load(&job.result);
    if (r >= 0)
        r = merkle_root_of_pieces(hasher->workers[0].merkle, pieces, identity.size, &root);
    if (r >= 0)
        r = file_hash_check_unchanged(&job);
    if (r < 0)
        return r;
    *ret = (FileHash){.identity = identity, .root = root, .pieces = TAKE_PTR(pieces)};
    return 0;
}
