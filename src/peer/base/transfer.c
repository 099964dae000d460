// SPDX-License-Identifier: MIT

#include "peer/base/transfer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/time-util.h"

enum {
    // How many changes are told at once before calls on D-Bus get their turn.
    TELL_AT_ONCE = 16,
    TICK_AT_ONCE = 16,
};

static const uint64_t TICK_USEC = USEC_PER_SEC / 2;

static const char *const direction_names[] = {
    [TRANSFER_DOWNLOAD] = "download",
    [TRANSFER_UPLOAD] = "upload",
};

static const char *const state_names[] = {
    [TRANSFER_SEARCHING] = "searching",
    [TRANSFER_WAITING] = "waiting",
    [TRANSFER_CONNECTING] = "connecting",
    [TRANSFER_CHECKING] = "checking",
    [TRANSFER_ACTIVE] = "active",
    [TRANSFER_PAUSED] = "paused",
    [TRANSFER_DONE] = "done",
    [TRANSFER_FAILED] = "failed",
    [TRANSFER_CANCELLED] = "cancelled",
};

const char *transfer_direction_name(TransferDirection direction) {
    return direction_names[direction];
}

const char *transfer_state_name(TransferState state) {
    return state_names[state];
}

static void transfer_changed(Transfer *transfer);

static void transfer_let_go(Transfer *transfer) {
    transfer_remove(transfer);
    transfer->ops->free(transfer);
}

// Removes the transfer that ended first. False: none has ended.
static bool transfer_let_go_oldest(TransferTable *table) {
    if (TAILQ_EMPTY(&table->ended))
        return false;
    transfer_let_go(TAILQ_FIRST(&table->ended));
    return true;
}

static void transfer_tick(Transfer *transfer, uint64_t now) {
    TransferTable *table = transfer->table;
    uint64_t moved = transfer_moved(transfer);

    if (transfer_state_is_final(transfer->state)) {
        if (now >= transfer->ended + TRANSFER_LINGER_USEC)
            transfer_let_go(transfer);
        return;
    }
    if (moved != transfer->reported) {
        transfer->reported = moved;
        if (table->hooks.on_progress)
            table->hooks.on_progress(transfer, table->hooks.userdata);
    }
    if (transfer->state == TRANSFER_WAITING && transfer->ops->queue_place) {
        uint32_t place = transfer->ops->queue_place(transfer);

        if (place != transfer->queue_place)
            transfer_changed(transfer);
        transfer->queue_place = place;
    }
}

// Reports progress, and removes transfers that ended long enough ago. It handles only some at a
// time, so that a call on D-Bus need not wait for all.
static int transfer_on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    TransferTable *table = userdata;
    uint64_t now = time_monotonic();
    Transfer *transfer, *next;
    unsigned n = 0;

    while (table->lingering > LINGERING_MAX && n++ < TICK_AT_ONCE)
        (void)transfer_let_go_oldest(table);
    n = 0;
    // The list is in the order of the IDs.
    TAILQ_FOREACH_SAFE (transfer, &table->list, link, next) {
        if (transfer->id < table->tick_id)
            continue;
        if (n++ == TICK_AT_ONCE) {
            table->tick_id = transfer->id;
            break;
        }
        transfer_tick(transfer, now);
    }
    if (!transfer)
        table->tick_id = 0;
    if (table->count > 0) {
        (void)sd_event_source_set_time_accuracy(source, transfer ? 1 : TICK_USEC / 10);
        (void)sd_event_source_set_time_relative(source, transfer ? 0 : TICK_USEC);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

static void transfer_tell(Transfer *transfer) {
    TransferTable *table = transfer->table;

    TAILQ_REMOVE(&table->changed, transfer, changed_link);
    transfer->changed = false;
    if (table->hooks.on_changed)
        table->hooks.on_changed(transfer, table->hooks.userdata);
}

// Tells the hooks when the loop has nothing else to do: a thousand downloads that continue at once
// cause a thousand signals.
static int transfer_on_tell(sd_event_source *source, void *userdata) {
    TransferTable *table = userdata;

    for (int i = 0; i < TELL_AT_ONCE && !TAILQ_EMPTY(&table->changed); i++)
        transfer_tell(TAILQ_FIRST(&table->changed));
    if (!TAILQ_EMPTY(&table->changed))
        (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

int transfer_table_init(TransferTable *table, sd_event *event) {
    int r;

    *table = (TransferTable){.event = sd_event_ref(event), .next_id = 1};
    TAILQ_INIT(&table->list);
    TAILQ_INIT(&table->changed);
    TAILQ_INIT(&table->ended);
    r = sd_event_add_defer(event, &table->tell, transfer_on_tell, table);
    if (r >= 0)
        r = sd_event_source_set_enabled(table->tell, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_source_set_priority(table->tell, SD_EVENT_PRIORITY_IDLE);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(event, &table->tick, CLOCK_MONOTONIC, TICK_USEC, TICK_USEC / 10,
                                   transfer_on_tick, table);
    return r < 0 ? r : sd_event_source_set_enabled(table->tick, SD_EVENT_OFF);
}

void transfer_table_done(TransferTable *table) {
    Transfer *transfer, *next;

    if (!table->event)
        return;
    TAILQ_FOREACH_SAFE (transfer, &table->list, link, next)
        transfer_let_go(transfer);
    table->tick = sd_event_source_disable_unref(table->tick);
    table->tell = sd_event_source_disable_unref(table->tell);
    table->event = sd_event_unref(table->event);
}

Transfer *transfer_find(TransferTable *table, uint32_t id) {
    Transfer *transfer;

    HASH_FIND(hh, table->by_id, &id, sizeof(id), transfer);
    return transfer;
}

static bool transfer_is_open_download(const Transfer *transfer) {
    return transfer->direction == TRANSFER_DOWNLOAD && !transfer_state_is_final(transfer->state);
}

static void transfer_linger(Transfer *transfer) {
    TAILQ_INSERT_TAIL(&transfer->table->ended, transfer, ended_link);
    transfer->table->lingering++;
}

int transfer_add(TransferTable *table, Transfer *transfer) {
    if (table->count >= TRANSFERS_MAX && !transfer_let_go_oldest(table))
        return -EMFILE;
    transfer->id = table->next_id++;
    transfer->hashed = true;
    HASH_ADD(hh, table->by_id, id, sizeof(transfer->id), transfer);
    if (!transfer->hashed)
        return -ENOMEM;
    transfer->table = table;
    transfer->started = (uint64_t)time(NULL) * USEC_PER_SEC;
    if (transfer_state_is_final(transfer->state))
        transfer_linger(transfer);
    table->downloads += transfer_is_open_download(transfer);
    TAILQ_INSERT_TAIL(&table->list, transfer, link);
    if (table->count++ == 0) {
        (void)sd_event_source_set_time_relative(table->tick, TICK_USEC);
        (void)sd_event_source_set_enabled(table->tick, SD_EVENT_ONESHOT);
    }
    if (table->hooks.on_new)
        table->hooks.on_new(transfer, table->hooks.userdata);
    return 0;
}

void transfer_remove(Transfer *transfer) {
    TransferTable *table = transfer->table;

    if (!table)
        return;
    if (transfer->changed)
        transfer_tell(transfer);
    if (table->hooks.on_removed)
        table->hooks.on_removed(transfer, table->hooks.userdata);
    HASH_DEL(table->by_id, transfer);
    TAILQ_REMOVE(&table->list, transfer, link);
    table->count--;
    table->downloads -= transfer_is_open_download(transfer);
    if (transfer_state_is_final(transfer->state)) {
        TAILQ_REMOVE(&table->ended, transfer, ended_link);
        table->lingering--;
    }
    transfer->table = NULL;
}

static void transfer_changed(Transfer *transfer) {
    TransferTable *table = transfer->table;

    if (!table || transfer->changed)
        return;
    transfer->changed = true;
    TAILQ_INSERT_TAIL(&table->changed, transfer, changed_link);
    (void)sd_event_source_set_enabled(table->tell, SD_EVENT_ONESHOT);
}

void transfer_set_state(Transfer *transfer, TransferState state) {
    assert(!transfer_state_is_final(transfer->state));
    transfer->state = state;
    transfer_changed(transfer);
}

void transfer_finish(Transfer *transfer, TransferState state, const char *error, const char *format,
                     ...) {
    va_list ap;

    assert(transfer_state_is_final(state));
    assert(!transfer_state_is_final(transfer->state));
    transfer->moved = transfer_moved(transfer);
    transfer->reported = transfer->moved;
    if (transfer->table) {
        transfer->table->downloads -= transfer_is_open_download(transfer);
        transfer_linger(transfer);
        transfer->table->results[transfer->direction][state - TRANSFER_DONE]++;
    }
    transfer->state = state;
    transfer->queue_place = 0;
    transfer->ended = time_monotonic();
    transfer->error = error;
    free(transfer->error_message);
    transfer->error_message = NULL;
    if (format) {
        va_start(ap, format);
        if (vasprintf(&transfer->error_message, format, ap) < 0)
            transfer->error_message = NULL;
        va_end(ap);
    }
    transfer_changed(transfer);
}

void transfer_set_error(Transfer *transfer, const char *error, const char *message) {
    transfer->error = error;
    free(transfer->error_message);
    transfer->error_message = message ? strdup(message) : NULL;
}

int transfer_pause(Transfer *transfer) {
    return transfer->ops->pause ? transfer->ops->pause(transfer) : -EOPNOTSUPP;
}

int transfer_resume(Transfer *transfer) {
    return transfer->ops->resume ? transfer->ops->resume(transfer) : -EOPNOTSUPP;
}

uint64_t transfer_moved(const Transfer *transfer) {
    if (transfer->ops->moved && !transfer_state_is_final(transfer->state))
        return transfer->ops->moved(transfer);
    return transfer->moved;
}

void transfer_cancel(Transfer *transfer) {
    if (!transfer_state_is_final(transfer->state))
        transfer->ops->cancel(transfer);
}
