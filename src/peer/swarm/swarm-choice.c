// SPDX-License-Identifier: MIT

// Chooses which peers a swarm knows, which of them it connects to, and which it removes to make
// room for others.

#include "peer/swarm/swarm-internal.h"
#include "util/time-util.h"

enum {
    // How many sources deliver to one swarm at once. Further sources are in reserve.
    SOURCES_AT_ONCE = 8,
    // The most connections of all swarms together. A swarm without any connection still gets one.
    CONNECTIONS_MAX = 2048,
    // How many of the last sources that made room in the list are remembered: four times as many as
    // an answer of FT holds.
    FORGOTTEN_MAX = 4 * SWARM_SOURCES_MAX,
};

// In this time a new source must connect, answer, and show its speed.
static const uint64_t TRIAL_USEC = 3 * USEC_PER_SEC;
// A resting source gets another trial only this long after the last trial of any source. Speeds
// vary, but switching costs part of a piece.
static const uint64_t TRIAL_AGAIN_USEC = 60 * USEC_PER_SEC;

static bool swarm_choice_is_connected(const SwarmSource *source) {
    return source->state != SOURCE_RESTING && source->state != SOURCE_DROPPED;
}

typedef enum Prospect {
    PROSPECT_KNOWN,  // it had its trial
    PROSPECT_QUEUED, // we wait for a slot there, which may be free now
    PROSPECT_NEW,
} Prospect;

static Prospect swarm_choice_prospect_of(const SwarmSource *source) {
    return source->connected_at == 0 ? PROSPECT_NEW
           : source->queue_place > 0 ? PROSPECT_QUEUED
                                     : PROSPECT_KNOWN;
}

static bool swarm_choice_is_better(const SwarmSource *a, const SwarmSource *b) {
    Prospect of_a = swarm_choice_prospect_of(a), of_b = swarm_choice_prospect_of(b);

    if (of_a != of_b)
        return of_a > of_b;
    if (a->failures != b->failures)
        return a->failures < b->failures;
    if (of_a == PROSPECT_KNOWN)
        return a->speed > b->speed;
    return a->not_before < b->not_before;
}

static SwarmSource *swarm_choice_next_to_connect(Swarm *swarm, uint64_t now) {
    SwarmSource *source, *best = NULL;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (source->state == SOURCE_RESTING && source->not_before <= now &&
            (!best || swarm_choice_is_better(source, best)))
            best = source;
    return best;
}

// Whether `next` gets a trial although all places are taken. It does if the connected sources
// together are far slower than `next` may be, and neither our rate nor our disk delays them.
static bool swarm_choice_deserves_trial(const Swarm *swarm, const SwarmSource *next, uint64_t now) {
    const SwarmSource *source;
    double sum = 0, slowest = NEW_SOURCE_SPEED;

    if (now - swarm->places_taken_at < TRIAL_USEC || now - swarm->held_at < TRIAL_USEC)
        return false;
    TAILQ_FOREACH (source, &swarm->sources, link) {
        if (source->state == SOURCE_READY)
            return false; // this source is idle already
        if (!swarm_choice_is_connected(source))
            continue;
        sum += source->speed;
        slowest = MIN(slowest, source->speed);
    }
    return sum * STEAL_GAIN < NEW_SOURCE_SPEED &&
           (swarm_choice_prospect_of(next) != PROSPECT_KNOWN ||
            (next->speed > STEAL_GAIN * slowest && now - swarm->trial_began >= TRIAL_AGAIN_USEC));
}

// One source too many is connected. Closes the newest source, or the slowest of the others if that
// one is far slower.
static void swarm_choice_end_trial(Swarm *swarm, uint64_t now) {
    SwarmSource *source, *newest = NULL, *slowest = NULL;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (swarm_choice_is_connected(source) &&
            (!newest || source->connected_at >= newest->connected_at))
            newest = source;
    TAILQ_FOREACH (source, &swarm->sources, link)
        if (source != newest && swarm_choice_is_connected(source) &&
            (!slowest || source->speed < slowest->speed))
            slowest = source;
    if (!newest || !slowest)
        return;
    if (newest->speed <= STEAL_GAIN * slowest->speed)
        slowest = newest;
    source_close(slowest);
    slowest->not_before = now + USEC_PER_SEC;
}

// Connects the next source, either to a free place or for a trial. False: none can connect now.
static bool swarm_choice_connect_next(Swarm *swarm, size_t connected, uint64_t now) {
    SwarmSource *source = swarm_choice_next_to_connect(swarm, now);

    if (!source || connected > SOURCES_AT_ONCE || !swarm_needs_sources(swarm, now) ||
        (connected > 0 && swarm->engine->connections >= CONNECTIONS_MAX))
        return false;
    if (connected < SOURCES_AT_ONCE)
        swarm->places_taken_at = now;
    else if (!swarm_choice_deserves_trial(swarm, source, now))
        return false;
    swarm->trial_began = now;
    source_connect(source);
    return true;
}

static size_t swarm_choice_count_connected(const Swarm *swarm) {
    const SwarmSource *source;
    size_t n = 0;

    TAILQ_FOREACH (source, &swarm->sources, link)
        n += swarm_choice_is_connected(source);
    return n;
}

static void swarm_choice_choose(Swarm *swarm, uint64_t now) {
    SwarmSource *source;
    size_t left = 0;

    TAILQ_FOREACH (source, &swarm->sources, link) {
        if (source->state == SOURCE_READY)
            swarm_assign(swarm, source);
        if (swarm->finished)
            return;
        left += source->state != SOURCE_DROPPED;
    }
    if (left == 0 && swarm->busy_count == 0) {
        swarm_finish(swarm, -ENODATA);
        return;
    }
    if (swarm_choice_count_connected(swarm) > SOURCES_AT_ONCE &&
        now - swarm->trial_began >= TRIAL_USEC)
        swarm_choice_end_trial(swarm, now);
    for (size_t i = 0; i < SOURCES_AT_ONCE; i++)
        if (!swarm_choice_connect_next(swarm, swarm_choice_count_connected(swarm), now))
            break;
}

// A source that fails at once calls this function again while it runs, so the loop starts over. The
// loop ends because each failed source rests for a while.
void swarm_source_idle(Swarm *swarm) {
    swarm->again = true;
    if (swarm->choosing)
        return;
    swarm->choosing = true;
    while (swarm->again && !swarm->finished) {
        swarm->again = false;
        swarm_choice_choose(swarm, time_monotonic());
    }
    swarm->choosing = false;
}

static bool swarm_choice_knows(const Swarm *swarm, const Endpoint *endpoint) {
    const SwarmSource *source;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (endpoint_equal(&source->info.endpoint, endpoint))
            return true;
    for (size_t i = 0; i < MIN(swarm->forgotten_count, (size_t)FORGOTTEN_MAX); i++)
        if (endpoint_equal(&swarm->forgotten[i], endpoint))
            return true;
    return false;
}

// Returns the source that was dropped first. A source that lied is removed last.
static SwarmSource *swarm_choice_find_dropped(Swarm *swarm) {
    SwarmSource *source, *found = NULL;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (source->state == SOURCE_DROPPED && source->busy_count == 0 &&
            (!found || source->lied < found->lied ||
             (source->lied == found->lied && source->since < found->since)))
            found = source;
    return found;
}

static bool swarm_choice_make_room(Swarm *swarm) {
    SwarmSource *source;

    if (swarm->source_count < SWARM_SOURCES_MAX)
        return true;
    source = swarm_choice_find_dropped(swarm);
    if (source && !swarm->forgotten)
        swarm->forgotten = calloc(FORGOTTEN_MAX, sizeof(*swarm->forgotten));
    if (!source || !swarm->forgotten)
        return false;
    swarm->forgotten[swarm->forgotten_count++ % FORGOTTEN_MAX] = source->info.endpoint;
    source_free(source);
    return true;
}

int swarm_take_sources(Swarm *swarm, const SwarmSourceInfo infos[], size_t n) {
    for (size_t i = 0; i < n; i++) {
        int r;

        if (swarm_choice_knows(swarm, &infos[i].endpoint))
            continue;
        if (!swarm_choice_make_room(swarm))
            break;
        r = source_new(swarm, &infos[i]);
        if (r < 0)
            return r;
    }
    return 0;
}
