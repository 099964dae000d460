// SPDX-License-Identifier: MIT

#include "util/leaf-hash.h"

#if HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#include "util/merkle.h"

#if HAVE_IPSEC_MB

struct LeafHasher {
    IMB_MGR *manager;
};

LeafHasher *leaf_hasher_new(void) {
    _cleanup_(leaf_hasher_freep) LeafHasher *hasher = calloc(1, sizeof(*hasher));
    IMB_ARCH arch;

    if (!hasher)
        return NULL;
    hasher->manager = alloc_mb_mgr(0);
    if (!hasher->manager)
        return NULL;
    init_mb_mgr_auto(hasher->manager, &arch);
    if (imb_get_errno(hasher->manager) != 0)
        return NULL;
    return TAKE_PTR(hasher);
}

LeafHasher *leaf_hasher_free(LeafHasher *hasher) {
    if (!hasher)
        return NULL;
    if (hasher->manager)
        free_mb_mgr(hasher->manager);
    free(hasher);
    return NULL;
}

// Counts a finished job and the ones after it.
static size_t leaf_hash_count_done(IMB_MGR *manager, const IMB_JOB *job) {
    size_t done = 0;

    for (; job; job = IMB_GET_COMPLETED_JOB(manager))
        done += job->status == IMB_STATUS_COMPLETED;
    return done;
}

int leaf_hasher_run(LeafHasher *hasher, const uint8_t *data, size_t n, MerkleHash ret[]) {
    IMB_MGR *manager = hasher->manager;
    const IMB_JOB *left;
    size_t done = 0;

    for (size_t i = 0; i < n; i++) {
        IMB_JOB *job = IMB_GET_NEXT_JOB(manager);

        *job = (IMB_JOB){
            .src = data + i * MERKLE_LEAF_BYTES,
            .msg_len_to_hash_in_bytes = MERKLE_LEAF_BYTES,
            .auth_tag_output = ret[i].bytes,
            .auth_tag_output_len_in_bytes = sizeof(ret[i].bytes),
            .hash_alg = IMB_AUTH_SHA_256,
            .cipher_mode = IMB_CIPHER_NULL,
            .cipher_direction = IMB_DIR_ENCRYPT,
            .chain_order = IMB_ORDER_HASH_CIPHER,
        };
        done += leaf_hash_count_done(manager, IMB_SUBMIT_JOB(manager));
    }
    // Leaves no job in the manager, so none outlives its leaf.
    while ((left = IMB_FLUSH_JOB(manager)))
        done += leaf_hash_count_done(manager, left);
    return done == n ? 0 : -EIO;
}

#else

LeafHasher *leaf_hasher_new(void) {
    return NULL;
}

LeafHasher *leaf_hasher_free(LeafHasher *hasher _unused_) {
    return NULL;
}

int leaf_hasher_run(LeafHasher *hasher _unused_, const uint8_t *data _unused_, size_t n _unused_,
                    MerkleHash ret[] _unused_) {
    return -EIO;
}

#endif
