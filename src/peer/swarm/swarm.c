// SPDX-License-Identifier: MIT

// One swarm: decides which source fetches which pieces, tracks the pieces, and ends the download.

#include "peer/swarm/swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "peer/swarm/swarm-internal.h"
#include "util/log.h"
#include "util/time-util.h"

static const uint64_t LAYER_USEC = USEC_PER_SEC;
// We connect one more source for the rest only if the rest would take longer than this, in seconds.
static const double CONNECT_GAIN = 2;

Swarm *swarm_free(Swarm *swarm) {
    SwarmSource *source, *next;

    if (!swarm)
        return NULL;
    TAILQ_FOREACH_SAFE (source, &swarm->sources, link, next)
        source_free(source);
    TAILQ_REMOVE(&swarm->engine->all, swarm, all_link);
    piece_map_done(&swarm->map);
    close_fd(swarm->fd);
    free(swarm->layer);
    free(swarm->forgotten);
    free(swarm->file_name);
    free(swarm->url_name);
    free(swarm);
    return NULL;
}

// Runs on the control loop.
static void swarm_run_done(LoopCall *call) {
    Swarm *swarm = container_of(call, Swarm, call);

    swarm->on_done(swarm, swarm->result, swarm->why, swarm->userdata);
    swarm_free(swarm);
}

static void swarm_run_hand_over(LoopCall *call) {
    Swarm *swarm = container_of(call, Swarm, call);
    SwarmEngine *engine = swarm->engine;

    TAILQ_REMOVE(&engine->swarms, swarm, link);
    swarm->call.run = swarm_run_done;
    loop_thread_reply(engine->thread, &swarm->call);
}

// Returns a finished swarm to the control loop once the verify thread has no block or check of it.
// The control loop may free it at any moment, so a queued call does this after our caller is done.
static void swarm_hand_over(Swarm *swarm) {
    if (!swarm->finished || swarm->busy_count > 0)
        return;
    swarm->call.run = swarm_run_hand_over;
    loop_thread_call(swarm->engine->thread, &swarm->call);
}

void swarm_finish(Swarm *swarm, int result) {
    SwarmSource *source;

    if (swarm->finished)
        return;
    swarm->finished = true;
    swarm->result = result;
    TAILQ_FOREACH (source, &swarm->sources, link)
        source_close(source);
    swarm_hand_over(swarm);
}

static void swarm_piece_is_there(Swarm *swarm, uint64_t piece) {
    if (piece_map_state(&swarm->map, piece) == PIECE_THERE)
        return;
    piece_map_set(&swarm->map, piece, PIECE_THERE);
    swarm->verified += piece_len(swarm->size, piece);
}

void swarm_block_verified(Block *block) {
    SwarmSource *source = block->source;
    Swarm *swarm = source->swarm;
    SwarmEngine *engine = swarm->engine;
    uint64_t piece = block->piece;
    bool last = block->last;
    int r = block->result;

    engine_return_block(engine, block);
    swarm->busy_count--;
    source->busy_count--;
    if (last && r >= 0) {
        source->failures = 0;
        swarm_piece_is_there(swarm, piece);
    }
    if (swarm->finished)
        swarm_hand_over(swarm);
    else if (r < 0 && r != -EBADMSG)
        swarm_finish(swarm, r);
    else if (last && r < 0) {
        char why[64];

        snprintf(why, sizeof(why), "sent a wrong piece (%" PRIu64 ")", piece);
        piece_map_set(&swarm->map, piece, PIECE_MISSING);
        source_drop_wrong(source, why);
    } else if (piece_map_complete(&swarm->map))
        swarm_finish(swarm, 0);
    engine_feed(engine);
}

// Finds the next piece on disk to check. It skips holes: a new file is a single hole.
static bool swarm_next_to_check(Swarm *swarm, uint64_t *ret) {
    while (swarm->check_next < swarm->map.count) {
        uint64_t piece = swarm->check_next;
        off_t data = lseek(swarm->fd, (off_t)(piece * swarm->piece_bytes), SEEK_DATA);

        if (swarm->size == 0)
            data = 0;
        if (data < 0) {
            swarm->check_next = swarm->map.count;
            break;
        }
        if ((uint64_t)data >= piece * swarm->piece_bytes + swarm->piece_bytes) {
            swarm->check_next = MIN((uint64_t)data / swarm->piece_bytes, swarm->map.count);
            continue;
        }
        swarm->check_next++;
        *ret = piece;
        return true;
    }
    return false;
}

static void swarm_check_more(Swarm *swarm, SwarmCheck *check) {
    if (!swarm_next_to_check(swarm, &check->piece))
        return;
    swarm->busy_count++;
    engine_check(swarm->engine, check);
}

static void swarm_report(Swarm *swarm);

static void swarm_begin_fetching(Swarm *swarm) {
    swarm->checking = false;
    if (piece_map_complete(&swarm->map))
        swarm_finish(swarm, 0);
    else if (swarm->size == 0) {
        snprintf(swarm->why, sizeof(swarm->why), "an empty file has another root");
        swarm_finish(swarm, -ENODATA);
    } else {
        swarm_report(swarm); // the progress includes the pieces on disk from the start
        swarm_source_idle(swarm);
    }
}

void swarm_check_done(SwarmCheck *check) {
    Swarm *swarm = check->swarm;

    swarm->busy_count--;
    if (check->result >= 0)
        swarm_piece_is_there(swarm, check->piece);
    if (swarm->finished) {
        swarm_hand_over(swarm);
        return;
    }
    if (check->result < 0 && check->result != -EBADMSG) {
        swarm_finish(swarm, check->result);
        return;
    }
    swarm_check_more(swarm, check);
    if (swarm->busy_count == 0)
        swarm_begin_fetching(swarm);
}

// The piece hashes are known. Checks which pieces are on disk already.
static void swarm_begin_checking(Swarm *swarm) {
    swarm->checking = true;
    for (size_t i = 0; i < CHECKS_MAX; i++)
        swarm_check_more(swarm, &swarm->checks[i]);
    if (swarm->busy_count == 0)
        swarm_begin_fetching(swarm);
    else
        swarm_report(swarm);
}

bool swarm_take_layer(Swarm *swarm, const MerkleHash pieces[]) {
    size_t bytes = swarm->map.count * sizeof(*pieces);
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    MerkleHash root;

    if (merkle_new(&merkle) < 0 || merkle_root_of_pieces(merkle, pieces, swarm->size, &root) < 0 ||
        !merkle_hash_equal(&root, &swarm->root))
        return false;
    swarm->layer = malloc(bytes);
    if (!swarm->layer) {
        swarm_finish(swarm, -ENOMEM);
        return true;
    }
    memcpy(swarm->layer, pieces, bytes);
    swarm_begin_checking(swarm);
    return true;
}

// Returns how many seconds this source needs to deliver all pieces that it was asked for.
static double swarm_time_left(const SwarmSource *source, uint64_t now) {
    uint64_t bytes =
        (source->run_end - source->piece) * source->swarm->piece_bytes - source->offset;

    // No bytes yet: assume that the head arrives now, and the rest at NEW_SOURCE_SPEED.
    if (source->speed < 1)
        return (double)(now - source->since) / USEC_PER_SEC + (double)bytes / NEW_SOURCE_SPEED;
    return (double)bytes / source->speed;
}

// Returns the source, except `but`, that needs the longest time for its pieces.
static SwarmSource *swarm_find_slowest(Swarm *swarm, const SwarmSource *but, uint64_t now) {
    SwarmSource *source, *slowest = NULL;

    TAILQ_FOREACH (source, &swarm->sources, link)
        if (source != but && source->piece < source->run_end &&
            (!slowest || swarm_time_left(source, now) > swarm_time_left(slowest, now)))
            slowest = source;
    return slowest;
}

// All missing pieces are requested already, so take pieces from the slowest source: half of those
// that it has not begun. A piece that it has begun is taken only if fetching it again is much
// faster. The slow source then stops writing, so that each piece has one writer at any time.
static bool swarm_steal(Swarm *swarm, SwarmSource *source) {
    uint64_t now = time_monotonic(), piece = swarm->piece_bytes, first, n;
    SwarmSource *slow = swarm_find_slowest(swarm, source, now);
    double speed = MAX(source->speed, NEW_SOURCE_SPEED); // a new source may be this fast

    if (!slow)
        return false;
    n = slow->run_end - slow->piece - 1;
    if (n > 0 && swarm_time_left(slow, now) > (double)piece / speed) {
        n = (n + 1) / 2;
        first = slow->run_end - n;
        slow->run_end = first;
    } else if (n == 0 && swarm_time_left(slow, now) > STEAL_GAIN * (double)piece / speed &&
               now - slow->since > USEC_PER_SEC / 2) {
        first = slow->piece;
        n = 1;
        slow->run_end = first;
        source_close(slow);
        // Without a rest, it would take the same piece again.
        slow->not_before = now + USEC_PER_SEC;
    } else
        return false;
    source_request_run(source, first, n);
    return true;
}

// Whether to ask one more source for the piece layer. No piece can be fetched without the layer, so
// one slow source must not delay the whole download.
static bool swarm_wants_layer(const Swarm *swarm, uint64_t now) {
    return swarm->layer_asked == 0 || now - swarm->layer_asked >= LAYER_USEC;
}

bool swarm_needs_sources(Swarm *swarm, uint64_t now) {
    const SwarmSource *slow;

    if (swarm->checking)
        return false;
    if (!swarm->layer)
        return swarm_wants_layer(swarm, now);
    if (swarm->map.missing > 0)
        return true;
    slow = swarm_find_slowest(swarm, NULL, now);
    return slow && swarm_time_left(slow, now) > CONNECT_GAIN;
}

void swarm_assign(Swarm *swarm, SwarmSource *source) {
    uint64_t first, n;

    if (swarm->finished || swarm->checking)
        return;
    if (!swarm->layer) {
        if (swarm_wants_layer(swarm, time_monotonic()))
            source_request_layer(source);
        return;
    }
    n = piece_map_take(&swarm->map, source->run, &first);
    if (n > 0)
        source_request_run(source, first, n);
    else
        (void)swarm_steal(swarm, source);
}

static SwarmState swarm_state_of(const Swarm *swarm, uint32_t *ret_place) {
    const SwarmSource *source;
    uint32_t place = 0;
    bool delivering = false;

    TAILQ_FOREACH (source, &swarm->sources, link) {
        delivering |= source->state == SOURCE_LAYER || source->state == SOURCE_BODY;
        if (source->queue_place > 0 && (place == 0 || source->queue_place < place))
            place = source->queue_place;
    }
    *ret_place = delivering ? 0 : place;
    return swarm->checking                       ? SWARM_CHECKING
           : delivering                          ? SWARM_ACTIVE
           : place > 0                           ? SWARM_WAITING
           : swarm->layer && swarm->verified > 0 ? SWARM_ACTIVE
                                                 : SWARM_CONNECTING;
}

// Runs on the control loop.
static void swarm_run_report(LoopCall *call) {
    Swarm *swarm = container_of(call, Swarm, report_call);

    swarm->status = swarm->report;
    swarm->reporting = false;
    if (swarm->on_changed)
        swarm->on_changed(swarm, swarm->userdata);
}

static bool swarm_is_delivering(const SwarmSource *source) {
    return source->state == SOURCE_LAYER || source->state == SOURCE_BODY ||
           source->state == SOURCE_ASKED;
}

static void swarm_report(Swarm *swarm) {
    SwarmStatus status = {};
    const SwarmSource *source;

    if (swarm->reporting)
        return;
    status.state = swarm_state_of(swarm, &status.queue_place);
    TAILQ_FOREACH (source, &swarm->sources, link)
        if (swarm_is_delivering(source))
            status.sources[status.source_count++] = source->info.endpoint;
    if (memcmp(&status, &swarm->report, sizeof(status)) == 0)
        return;
    swarm->report = status;
    swarm->reporting = true;
    swarm->report_call.run = swarm_run_report;
    loop_thread_reply(swarm->engine->thread, &swarm->report_call);
}

void swarm_tick(Swarm *swarm, uint64_t now) {
    SwarmSource *source;

    if (swarm->finished)
        return;
    if (swarm->stopping) {
        swarm_finish(swarm, -ECANCELED);
        return;
    }
    if (swarm->adding) {
        (void)swarm_take_sources(swarm, swarm->added, swarm->added_count);
        swarm->adding = false;
    }
    TAILQ_FOREACH (source, &swarm->sources, link) {
        source_tick(source, now);
        if (swarm->finished)
            return;
    }
    swarm_source_idle(swarm);
    if (!swarm->finished)
        swarm_report(swarm);
}

static void swarm_run_start(LoopCall *call) {
    Swarm *swarm = container_of(call, Swarm, call);
    SwarmEngine *engine = swarm->engine;

    if (TAILQ_EMPTY(&engine->swarms))
        engine_start_tick(engine);
    TAILQ_INSERT_TAIL(&engine->swarms, swarm, link);
    if (swarm->stopping)
        swarm_finish(swarm, -ECANCELED);
    else if (swarm->map.count == 1)
        (void)swarm_take_layer(swarm, &swarm->root);
    else
        swarm_source_idle(swarm);
}

// Percent-encodes all bytes except the unreserved characters of RFC 3986, section 2.3.
static char *swarm_url_encode(const char *text) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    char *encoded = malloc(3 * strlen(text) + 1), *end = encoded;

    if (!encoded)
        return NULL;
    for (; *text; text++)
        if (strchr(plain, *text))
            *end++ = *text;
        else
            end += sprintf(end, "%%%02X", (unsigned char)*text);
    *end = '\0';
    return encoded;
}

int swarm_start(SwarmEngine *engine, const SwarmJob *job, Swarm **ret) {
    Swarm *swarm;
    int r;

    swarm = calloc(1, sizeof(*swarm));
    if (!swarm)
        return -ENOMEM;
    TAILQ_INIT(&swarm->sources);
    TAILQ_INSERT_TAIL(&engine->all, swarm, all_link);
    swarm->engine = engine;
    swarm->fd = -EBADF;
    swarm->root = job->root;
    swarm->size = job->size;
    swarm->piece_bytes = piece_bytes(job->size);
    swarm->on_changed = job->on_changed;
    swarm->on_done = job->on_done;
    swarm->userdata = job->userdata;
    for (size_t i = 0; i < CHECKS_MAX; i++)
        swarm->checks[i].swarm = swarm;
    swarm->transfer = job->transfer;
    swarm->file_name = strdup(job->file_name);
    swarm->url_name = swarm_url_encode(job->file_name);
    r = swarm->file_name && swarm->url_name ? 0 : -ENOMEM;
    if (r >= 0)
        r = piece_map_init(&swarm->map, piece_count(job->size));
    if (r >= 0)
        r = swarm_take_sources(swarm, job->sources, job->source_count);
    if (r < 0) {
        swarm_free(swarm);
        return r;
    }
    swarm->fd = job->fd;
    swarm->call.run = swarm_run_start;
    loop_thread_call(engine->thread, &swarm->call);
    *ret = swarm;
    return 0;
}

void swarm_stop(Swarm *swarm) {
    swarm->stopping = true;
}

void swarm_add_sources(Swarm *swarm, const SwarmSourceInfo sources[], size_t n) {
    if (swarm->adding)
        return;
    swarm->added_count = MIN(n, (size_t)SWARM_SOURCES_MAX);
    memcpy(swarm->added, sources, swarm->added_count * sizeof(*sources));
    swarm->adding = true;
}

const SwarmStatus *swarm_status(const Swarm *swarm) {
    return &swarm->status;
}

uint64_t swarm_verified(const Swarm *swarm) {
    return swarm->verified;
}
