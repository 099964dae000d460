// SPDX-License-Identifier: MIT

#include "peer/upload-queue.h"

#include <assert.h>

void upload_queue_init(UploadQueue *queue, uint64_t slots) {
    *queue = (UploadQueue){.slots = slots};
    TAILQ_INIT(&queue->list);
}

static void take_out(UploadQueue *queue, UploadPlace *place) {
    TAILQ_REMOVE(&queue->list, place, link);
    queue->count--;
    queue->reserved -= place->reserved;
    queue->changed = true;
    place->number = 0;
    place->waiting = place->reserved = false;
}

static bool comes_back(const UploadPlace *place) {
    return place->until > 0;
}

void upload_queue_done(UploadQueue *queue) {
    UploadPlace *place, *next;

    TAILQ_FOREACH_SAFE (place, &queue->list, link, next) {
        take_out(queue, place);
        if (comes_back(place))
            free(place);
    }
}

static void drop_late(UploadQueue *queue, uint64_t now) {
    UploadPlace *place, *next;

    TAILQ_FOREACH_SAFE (place, &queue->list, link, next) {
        if (!comes_back(place) || now < place->until)
            continue;
        take_out(queue, place);
        free(place);
    }
}

static bool slot_is_free(const UploadQueue *queue) {
    return queue->active + queue->reserved < queue->slots;
}

static UploadPlace *first_without_slot(const UploadQueue *queue) {
    UploadPlace *place;

    TAILQ_FOREACH (place, &queue->list, link)
        if (!place->reserved)
            break;
    return place;
}

// Gives the free slots to the first in the queue.
static void advance(UploadQueue *queue, uint64_t now) {
    UploadPlace *place;

    drop_late(queue, now);
    while (slot_is_free(queue) && (place = first_without_slot(queue))) {
        if (comes_back(place)) {
            place->reserved = true;
            queue->reserved++;
            continue;
        }
        take_out(queue, place);
        queue->active++;
        place->on_slot(place); // it may be gone now
    }
}

void upload_queue_set_slots(UploadQueue *queue, uint64_t slots, uint64_t now) {
    queue->slots = slots;
    advance(queue, now);
}

void upload_queue_release(UploadQueue *queue, uint64_t now) {
    assert(queue->active > 0);
    queue->active--;
    advance(queue, now);
}

void upload_queue_tick(UploadQueue *queue, uint64_t now) {
    UploadPlace *place;
    unsigned number = 0;

    advance(queue, now);
    if (!queue->changed)
        return;
    TAILQ_FOREACH (place, &queue->list, link)
        place->number = ++number;
    queue->changed = false;
}

static bool is_full(const UploadQueue *queue, const IpAddress *address) {
    const UploadPlace *place;
    size_t n = 0;

    TAILQ_FOREACH (place, &queue->list, link)
        n += address_same_site(&place->address, address);
    return queue->count >= UPLOADS_WAITING_MAX || n >= UPLOADS_WAITING_PER_ADDRESS_MAX;
}

static void append(UploadQueue *queue, UploadPlace *place) {
    TAILQ_INSERT_TAIL(&queue->list, place, link);
    place->number = ++queue->count;
    place->waiting = true;
}

int upload_queue_wait(UploadQueue *queue, UploadPlace *place, uint64_t now) {
    place->until = 0;
    advance(queue, now);
    if (slot_is_free(queue)) {
        queue->active++;
        place->on_slot(place); // it may be gone now
        return 0;
    }
    if (is_full(queue, &place->address))
        return -EBUSY;
    append(queue, place);
    return 1;
}

void upload_queue_leave(UploadQueue *queue, UploadPlace *place) {
    if (place->waiting)
        take_out(queue, place);
}

static UploadPlace *find(const UploadQueue *queue, const IpAddress *address, const MerkleHash *root,
                         unsigned *ret_number) {
    UploadPlace *place;

    *ret_number = 1;
    TAILQ_FOREACH (place, &queue->list, link) {
        if (comes_back(place) && merkle_hash_equal(&place->root, root) &&
            address_equal(&place->address, address))
            return place;
        ++*ret_number;
    }
    return NULL;
}

// How long to wait at this place: every turn of all slots takes a second at least.
static unsigned retry_seconds(const UploadQueue *queue, unsigned place) {
    uint64_t turns = 1 + (place - 1) / MAX(queue->slots, UINT64_C(1));

    return MIN(turns, (uint64_t) RETRY_SECONDS_MAX);
}

int upload_queue_ask(UploadQueue *queue, const IpAddress *address, const MerkleHash *root,
                     uint64_t now, UploadTurn *ret) {
    UploadPlace *place;
    UploadTurn turn;

    advance(queue, now);
    place = find(queue, address, root, &turn.place);
    if (place ? place->reserved : slot_is_free(queue)) {
        if (place) {
            take_out(queue, place);
            free(place);
        }
        queue->active++;
        return 1;
    }
    if (!place) {
        if (is_full(queue, address)) {
            *ret = (UploadTurn){.retry_seconds = RETRY_SECONDS_MAX};
            return -EBUSY;
        }
        place = calloc(1, sizeof(*place));
        if (!place)
            return -ENOMEM;
        place->address = *address;
        place->root = *root;
        append(queue, place);
    }
    turn.retry_seconds = retry_seconds(queue, turn.place);
    place->until = now + (turn.retry_seconds + RETRY_GRACE_SECONDS) * USEC_PER_SEC;
    *ret = turn;
    return 0;
}
