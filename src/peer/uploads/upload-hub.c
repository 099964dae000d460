// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-hub.h"

#include <string.h>

#include "peer/uploads/upload-http.h"
#include "util/time-util.h"

enum {
    // How often the hub checks for timeouts. The shortest timeout is 2 s.
    TICK_USEC = 1000 * 1000,
};

// New settings on their way to the thread.
typedef struct Change {
    LoopCall call;
    UploadHub *hub;
    UploadSettings settings;
} Change;

static int upload_hub_on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    UploadHub *hub = userdata;
    uint64_t now = time_monotonic();

    sender_tick(&hub->sender, now, upload_queue_is_waited_for(&hub->queue));
    upload_queue_tick(&hub->queue, now);
    upload_http_tick_all(hub, now);
    (void)sd_event_source_set_time_relative(source, TICK_USEC);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

int upload_hub_init(UploadHub *hub, LoopThread *thread) {
    sd_event *event = loop_thread_event(thread);
    int r;

    *hub = (UploadHub){.thread = thread, .poller = loop_thread_poller(thread)};
    TAILQ_INIT(&hub->sessions);
    upload_queue_init(&hub->queue, 0);
    r = sender_init(&hub->sender, event, hub->poller);
    if (r < 0)
        return r;
    return sd_event_add_time_relative(event, &hub->tick, CLOCK_MONOTONIC, TICK_USEC, TICK_USEC / 10,
                                      upload_hub_on_tick, hub);
}

void upload_hub_done(UploadHub *hub) {
    if (!hub->thread)
        return;
    upload_http_free_all(hub);
    upload_queue_done(&hub->queue);
    sender_done(&hub->sender);
    hub->tick = sd_event_source_disable_unref(hub->tick);
    prefix_list_clear(&hub->settings.exempt);
}

static void upload_hub_on_change(LoopCall *call) {
    Change *change = container_of(call, Change, call);
    UploadHub *hub = change->hub;
    PrefixList old = hub->settings.exempt;

    hub->settings = change->settings;
    sender_configure(&hub->sender, hub->settings.rate, hub->settings.exempt);
    upload_queue_set_slots(&hub->queue, hub->settings.slots, time_monotonic());
    prefix_list_clear(&old);
    free(change);
}

int upload_hub_configure(UploadHub *hub, uint64_t slots, uint64_t rate, const PrefixList *exempt) {
    _cleanup_free_ Change *change = calloc(1, sizeof(*change));

    if (!change)
        return -ENOMEM;
    if (exempt->count > 0) {
        change->settings.exempt.items = reallocarray(NULL, exempt->count, sizeof(*exempt->items));
        if (!change->settings.exempt.items)
            return -ENOMEM;
        memcpy(change->settings.exempt.items, exempt->items,
               exempt->count * sizeof(*exempt->items));
        change->settings.exempt.count = exempt->count;
    }
    change->hub = hub;
    change->settings.slots = slots;
    change->settings.rate = rate;
    change->call.run = upload_hub_on_change;
    loop_thread_call(hub->thread, &TAKE_PTR(change)->call);
    return 0;
}
