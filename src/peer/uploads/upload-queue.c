// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-queue.h"

#include <assert.h>

void upload_queue_init(UploadQueue *queue, uint64_t slots) {
    *queue = (UploadQueue){.slots = slots};
    TAILQ_INIT(&queue->list);
    TAILQ_INIT(&queue->taken);
}

static void upload_queue_take_out(UploadQueue *queue, UploadPlace *place) {
    TAILQ_REMOVE(&queue->list, place, link);
    queue->count--;
    queue->reserved -= place->reserved;
    queue->changed = true;
    place->number = 0;
    place->waiting = place->reserved = false;
}

static bool upload_queue_comes_back(const UploadPlace *place) {
    return place->until > 0;
}

void upload_queue_done(UploadQueue *queue) {
    UploadPlace *place, *next;

    TAILQ_FOREACH_SAFE (place, &queue->list, link, next) {
        upload_queue_take_out(queue, place);
        if (upload_queue_comes_back(place))
            free(place);
    }
}

static void upload_queue_drop_late(UploadQueue *queue, uint64_t now) {
    UploadPlace *place, *next;

    TAILQ_FOREACH_SAFE (place, &queue->list, link, next) {
        if (!upload_queue_comes_back(place) || now < place->until)
            continue;
        upload_queue_take_out(queue, place);
        free(place);
    }
}

static bool upload_queue_slot_is_free(const UploadQueue *queue) {
    return queue->active + queue->reserved < queue->slots;
}

// Returns how many slots a site may have while others wait: half of them.
static uint64_t upload_queue_share(const UploadQueue *queue) {
    return MAX(queue->slots / 2 + queue->slots % 2, UINT64_C(1));
}

typedef struct Vote {
    const IpAddress *site;
    size_t lead;
} Vote;

static void upload_queue_vote(Vote *votes, const IpAddress *address) {
    if (votes->lead == 0)
        votes->site = address;
    votes->lead += address_same_site(votes->site, address) ? 1 : -1;
}

// Returns the site that has more than half of the occupied slots, found by a majority vote. If no
// site has that many, returns any site or NULL. *ret is how many slots the returned site has.
static const IpAddress *upload_queue_largest_site(const UploadQueue *queue, size_t *ret) {
    const UploadPlace *place;
    const UploadSlot *slot;
    Vote votes = {};

    TAILQ_FOREACH (slot, &queue->taken, link)
        upload_queue_vote(&votes, &slot->address);
    TAILQ_FOREACH (place, &queue->list, link)
        if (place->reserved)
            upload_queue_vote(&votes, &place->slot.address);
    *ret = 0;
    if (!votes.site)
        return NULL;
    TAILQ_FOREACH (slot, &queue->taken, link)
        *ret += address_same_site(&slot->address, votes.site);
    TAILQ_FOREACH (place, &queue->list, link)
        *ret += place->reserved && address_same_site(&place->slot.address, votes.site);
    return votes.site;
}

// Returns the first place that has no slot kept for it. Places of sites below their share come
// first. While a slot is free, a site with its share has more than half of the occupied slots.
static UploadPlace *upload_queue_next_in_turn(const UploadQueue *queue) {
    UploadPlace *place, *first = NULL;
    const IpAddress *site;
    size_t held;

    site = upload_queue_largest_site(queue, &held);
    TAILQ_FOREACH (place, &queue->list, link) {
        if (place->reserved)
            continue;
        if (held < upload_queue_share(queue) || !address_same_site(&place->slot.address, site))
            return place;
        if (!first)
            first = place;
    }
    return first;
}

static void upload_queue_take_slot(UploadQueue *queue, UploadSlot *slot) {
    TAILQ_INSERT_HEAD(&queue->taken, slot, link);
    queue->active++;
}

void upload_queue_advance(UploadQueue *queue, uint64_t now) {
    UploadPlace *place;

    upload_queue_drop_late(queue, now);
    while (upload_queue_slot_is_free(queue) && (place = upload_queue_next_in_turn(queue))) {
        if (upload_queue_comes_back(place)) {
            place->reserved = true;
            queue->reserved++;
            continue;
        }
        upload_queue_take_out(queue, place);
        upload_queue_take_slot(queue, &place->slot);
        place->on_slot(place); // may free the place
    }
}

void upload_queue_set_slots(UploadQueue *queue, uint64_t slots, uint64_t now) {
    queue->slots = slots;
    upload_queue_advance(queue, now);
}

void upload_queue_release(UploadQueue *queue, UploadSlot *slot) {
    assert(queue->active > 0);
    TAILQ_REMOVE(&queue->taken, slot, link);
    queue->active--;
}

bool upload_queue_is_waited_for(const UploadQueue *queue) {
    return queue->count > queue->reserved;
}

// Revokes the newest slot of the site, because the newest upload has the least to lose.
static void upload_queue_revoke_newest(UploadQueue *queue, const IpAddress *site) {
    UploadSlot *slot;

    TAILQ_FOREACH (slot, &queue->taken, link)
        if (address_same_site(&slot->address, site)) {
            slot->on_revoked(slot);
            return;
        }
}

// Takes one slot from the largest site if another site has waited too long. Without this, a site
// that came first could hold all slots for as long as it likes, with slow or endless transfers.
static void upload_queue_revoke_of_largest(UploadQueue *queue, uint64_t now) {
    const IpAddress *site;
    UploadPlace *place;
    size_t held;

    // The number of slots was reduced, so a revoked slot would not become free for others.
    if (queue->active + queue->reserved > queue->slots)
        return;
    site = upload_queue_largest_site(queue, &held);
    if (held <= upload_queue_share(queue))
        return;
    TAILQ_FOREACH (place, &queue->list, link)
        if (!place->reserved && now - place->since >= PATIENCE_SECONDS * USEC_PER_SEC &&
            !address_same_site(&place->slot.address, site)) {
            upload_queue_revoke_newest(queue, site);
            return;
        }
}

void upload_queue_tick(UploadQueue *queue, uint64_t now) {
    UploadPlace *place;
    unsigned number = 0;

    upload_queue_advance(queue, now);
    upload_queue_revoke_of_largest(queue, now);
    if (!queue->changed)
        return;
    TAILQ_FOREACH (place, &queue->list, link)
        place->number = ++number;
    queue->changed = false;
}

static bool upload_queue_is_full(const UploadQueue *queue, const IpAddress *address) {
    const UploadPlace *place;
    size_t n = 0;

    TAILQ_FOREACH (place, &queue->list, link)
        n += address_same_site(&place->slot.address, address);
    return queue->count >= UPLOADS_WAITING_MAX || n >= UPLOADS_WAITING_PER_ADDRESS_MAX;
}

static void upload_queue_append(UploadQueue *queue, UploadPlace *place, uint64_t now) {
    TAILQ_INSERT_TAIL(&queue->list, place, link);
    place->number = ++queue->count;
    place->waiting = true;
    place->since = now;
}

int upload_queue_wait(UploadQueue *queue, UploadPlace *place, uint64_t now) {
    place->until = 0;
    upload_queue_advance(queue, now);
    if (upload_queue_slot_is_free(queue)) {
        upload_queue_take_slot(queue, &place->slot);
        place->on_slot(place); // may free the place
        return 0;
    }
    if (upload_queue_is_full(queue, &place->slot.address))
        return -EBUSY;
    upload_queue_append(queue, place, now);
    return 1;
}

void upload_queue_leave(UploadQueue *queue, UploadPlace *place) {
    if (place->waiting)
        upload_queue_take_out(queue, place);
}

static UploadPlace *upload_queue_find(const UploadQueue *queue, const IpAddress *address,
                                      const MerkleHash *root, unsigned *ret_number) {
    UploadPlace *place;

    *ret_number = 1;
    TAILQ_FOREACH (place, &queue->list, link) {
        if (upload_queue_comes_back(place) && merkle_hash_equal(&place->root, root) &&
            address_equal(&place->slot.address, address))
            return place;
        ++*ret_number;
    }
    return NULL;
}

// Returns how long to wait at this place: we assume that every slot is free again after a second.
static unsigned upload_queue_retry_seconds(const UploadQueue *queue, unsigned place) {
    uint64_t turns = 1 + (place - 1) / MAX(queue->slots, UINT64_C(1));

    return MIN(turns, (uint64_t)RETRY_SECONDS_MAX);
}

int upload_queue_ask(UploadQueue *queue, UploadSlot *slot, const MerkleHash *root, uint64_t now,
                     UploadTurn *ret) {
    UploadPlace *place;
    UploadTurn turn;

    upload_queue_advance(queue, now);
    place = upload_queue_find(queue, &slot->address, root, &turn.place);
    if (place ? place->reserved : upload_queue_slot_is_free(queue)) {
        if (place) {
            upload_queue_take_out(queue, place);
            free(place);
        }
        upload_queue_take_slot(queue, slot);
        return 1;
    }
    if (!place) {
        if (upload_queue_is_full(queue, &slot->address)) {
            *ret = (UploadTurn){.retry_seconds = RETRY_SECONDS_MAX};
            return -EBUSY;
        }
        place = calloc(1, sizeof(*place));
        if (!place)
            return -ENOMEM;
        place->slot.address = slot->address;
        place->root = *root;
        upload_queue_append(queue, place, now);
    }
    turn.retry_seconds = upload_queue_retry_seconds(queue, turn.place);
    place->until = now + (turn.retry_seconds + RETRY_GRACE_SECONDS) * USEC_PER_SEC;
    *ret = turn;
    return 0;
}
