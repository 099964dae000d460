// SPDX-License-Identifier: MIT

#include "peer/uploads/sender.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "util/time-util.h"

enum {
    // The most bytes of one step: large enough to make system calls cheap, small enough to be fair.
    STEP_BYTES = 2048 * 1024,
    // With a rate limit, a step is a part of a burst, but at least STEP_BYTES_MIN.
    STEPS_PER_BURST = 8,
    STEP_BYTES_MIN = 16 * 1024,
    // The sender copies the end of a file, and sends it only if the file has not changed by then.
    TAIL_BYTES = 8 * 1024,
    // A receiver that takes less than STALL_BYTES in STALL_USEC is gone, or just occupies a slot.
    STALL_USEC = 60 * 1000 * 1000,
    STALL_BYTES = 16 * 1024,
    // The limit while others wait for a slot. It is not higher because our own uplink may be the
    // slow part: with 1 Mbit/s, each of the 32 default slots gets almost twice as much.
    STALL_CROWDED_BYTES = 128 * 1024,
};

// The result of a step, unless it is a negative errno.
enum {
    STEP_DONE = 1,
    STEP_MORE,    // more to send, but others get their turn first
    STEP_BLOCKED, // the socket takes no more bytes now
    STEP_STARVED, // the rate allows no more bytes now
};

static uint64_t sender_rest(const Send *send) {
    return send->end - send->offset;
}

// Returns how many bytes of the body may be sent now. Sends that wait for the rate come first.
static uint64_t sender_granted(const Send *send, bool resumed) {
    Sender *sender = send->sender;
    uint64_t step = STEP_BYTES, rate = rate_limit_rate(&sender->rate);

    if (!send->limited || rate == 0)
        return MIN(sender_rest(send), step);
    if (!resumed && !TAILQ_EMPTY(&sender->starved))
        return 0;
    step = rate / (USEC_PER_SEC / RATE_BURST_USEC) / STEPS_PER_BURST;
    step = MIN(MAX(step, (uint64_t)STEP_BYTES_MIN), (uint64_t)STEP_BYTES);
    return rate_limit_grant(&sender->rate, MIN(sender_rest(send), step), time_monotonic());
}

static void sender_body_moved(Send *send, uint64_t bytes) {
    send->offset += bytes;
    send->sender->total += bytes;
    if (send->moved)
        *send->moved += bytes;
    if (send->limited)
        rate_limit_spend(&send->sender->rate, bytes);
}

// Puts the last bytes of the body into `lead`.
static int sender_copy_tail(Send *send) {
    size_t len = sender_rest(send);
    char *room = buffer_reserve(&send->lead, len);
    ssize_t n;
    int r;

    if (!room)
        return -ENOMEM;
    n = pread(send->file_fd, room, len, (off_t)send->offset);
    if (n < 0)
        return -errno;
    r = file_stamp_check(send->file_fd, send->stamp);
    if (r < 0)
        return r;
    if ((size_t)n != len)
        return -ESTALE;
    buffer_commit(&send->lead, len);
    sender_body_moved(send, len);
    return STEP_MORE;
}

static int sender_send_lead(Send *send) {
    while (send->lead.size > 0) {
        // MSG_MORE puts the body into the same segments.
        int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (sender_rest(send) > 0 ? MSG_MORE : 0);
        ssize_t n =
            sendto(send->watch->fd, buffer_data(&send->lead), send->lead.size, flags, NULL, 0);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? STEP_BLOCKED : -errno;
        buffer_consume(&send->lead, n);
        send->sent += n;
    }
    return STEP_MORE;
}

static int sender_send_body(Send *send, uint64_t max) {
    off_t offset = (off_t)send->offset;
    ssize_t n;
    int r;

    if (send->memory)
        n = sendto(send->watch->fd, send->memory + offset, max, MSG_NOSIGNAL | MSG_DONTWAIT, NULL,
                   0);
    else {
        r = file_stamp_check(send->file_fd, send->stamp);
        if (r < 0)
            return r;
        n = sendfile(send->watch->fd, send->file_fd, &offset, max);
    }
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? STEP_BLOCKED : -errno;
    if (n == 0)
        return -ESTALE;
    send->sent += n;
    sender_body_moved(send, n);
    return (uint64_t)n < max ? STEP_BLOCKED : STEP_MORE;
}

static int sender_step(Send *send, bool resumed) {
    uint64_t tail = send->memory ? 0 : TAIL_BYTES, budget = 0;
    int r = STEP_MORE;

    if (sender_rest(send) > 0) {
        // Ask for the budget before the lead is sent, because the lead must not be sent alone.
        budget = sender_granted(send, resumed);
        if (budget == 0)
            return STEP_STARVED;
    }
    if (sender_rest(send) > 0 && sender_rest(send) <= MIN(tail, budget)) {
        r = sender_copy_tail(send);
        budget = 0;
    }
    if (r == STEP_MORE)
        r = sender_send_lead(send);
    if (r == STEP_MORE && budget > 0)
        r = sender_send_body(send, sender_rest(send) > tail ? MIN(budget, sender_rest(send) - tail)
                                                            : budget);
    return r == STEP_MORE && sender_rest(send) == 0 && send->lead.size == 0 ? STEP_DONE : r;
}

static void sender_leave_starved(Send *send) {
    if (!send->starved)
        return;
    TAILQ_REMOVE(&send->sender->starved, send, starved_link);
    send->starved = false;
}

void send_stop(Send *send) {
    if (!send->sender)
        return;
    sender_leave_starved(send);
    TAILQ_REMOVE(&send->sender->active, send, link);
    buffer_clear(&send->lead);
    send->sender = NULL;
}

static void sender_arm_wake(Sender *sender) {
    (void)sd_event_source_set_time_relative(sender->wake, rate_limit_wait(&sender->rate));
    (void)sd_event_source_set_enabled(sender->wake, SD_EVENT_ONESHOT);
}

static void sender_starve(Send *send) {
    Sender *sender = send->sender;

    if (TAILQ_EMPTY(&sender->starved))
        sender_arm_wake(sender);
    TAILQ_INSERT_TAIL(&sender->starved, send, starved_link);
    send->starved = true;
    (void)poller_change(sender->poller, send->watch, 0);
}

// Returns how many bytes count as progress. Only the bytes of a file need a slot. HTTP clients poll
// for their slot, so the queue counts as crowded until crowded_until, even if it is empty now.
static uint64_t sender_enough(const Send *send, uint64_t now) {
    return now < send->sender->crowded_until && !send->memory ? STALL_CROWDED_BYTES : STALL_BYTES;
}

static void sender_note_progress(Send *send, uint64_t now) {
    if (send->sent - send->stall_sent < sender_enough(send, now))
        return;
    send->stall_sent = send->sent;
    send->stall_since = now;
}

// 1: all is sent, 0: not yet, or a negative errno.
static int sender_advance(Send *send, bool resumed) {
    int r = sender_step(send, resumed);

    if (r == STEP_STARVED) {
        sender_starve(send);
        return 0;
    }
    if (r == STEP_MORE || r == STEP_BLOCKED) {
        sender_note_progress(send, time_monotonic());
        r = poller_change(send->sender->poller, send->watch, EPOLLOUT);
        if (r >= 0)
            return 0;
    }
    send_stop(send);
    return r;
}

static void sender_go_on(Send *send, bool resumed) {
    int r = sender_advance(send, resumed);

    if (r != 0)
        send->on_done(send, MIN(r, 0));
}

static void sender_update_limited(Send *send) {
    send->limited = !prefix_list_contains(&send->sender->exempt, &send->remote);
}

int send_start(Sender *sender, Send *send) {
    send->sender = sender;
    send->sent = send->stall_sent = 0;
    send->stall_since = time_monotonic();
    sender_update_limited(send);
    TAILQ_INSERT_TAIL(&sender->active, send, link);
    return sender_advance(send, false);
}

void send_ready(Send *send, uint32_t events) {
    int r = -ECONNRESET;

    if (!send->starved) {
        sender_go_on(send, false);
        return;
    }
    // A starved Send watches for no events, but the poller still reports errors, again and again.
    if (events & (EPOLLERR | EPOLLHUP)) {
        send_stop(send);
        send->on_done(send, r);
    }
}

static int sender_on_wake(sd_event_source *source _unused_, uint64_t usec _unused_,
                          void *userdata) {
    Sender *sender = userdata;
    Send *send;

    while ((send = TAILQ_FIRST(&sender->starved)) &&
           rate_limit_grant(&sender->rate, UINT64_MAX, time_monotonic()) > 0) {
        sender_leave_starved(send);
        sender_go_on(send, true);
    }
    if (send)
        sender_arm_wake(sender);
    return 0;
}

int sender_init(Sender *sender, sd_event *event, Poller *poller) {
    int r;

    *sender = (Sender){.poller = poller};
    TAILQ_INIT(&sender->active);
    TAILQ_INIT(&sender->starved);
    r = sd_event_add_time_relative(event, &sender->wake, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                                   sender_on_wake, sender);
    return r < 0 ? r : sd_event_source_set_enabled(sender->wake, SD_EVENT_OFF);
}

void sender_done(Sender *sender) {
    sender->wake = sd_event_source_disable_unref(sender->wake);
}

void sender_configure(Sender *sender, uint64_t rate, PrefixList exempt) {
    Send *send;

    rate_limit_set(&sender->rate, rate);
    sender->exempt = exempt;
    TAILQ_FOREACH (send, &sender->active, link)
        sender_update_limited(send);
    // The rate has changed, so let every waiting Send ask for it again.
    while ((send = TAILQ_FIRST(&sender->starved))) {
        sender_leave_starved(send);
        (void)poller_change(sender->poller, send->watch, EPOLLOUT);
    }
}

// Tries to send once more before it calls the receiver stalled: this thread itself may have been
// busy, for example with a disk.
static void sender_check_progress(Send *send, uint64_t now) {
    int r;

    if (send->starved)
        send->stall_since = now; // our rate delays it, not the receiver
    if (now - send->stall_since < STALL_USEC)
        return;
    r = sender_advance(send, false);
    if (r == 0 && !send->starved && now - MIN(now, send->stall_since) >= STALL_USEC) {
        send_stop(send);
        r = -ETIMEDOUT;
    }
    if (r != 0)
        send->on_done(send, MIN(r, 0));
}

void sender_tick(Sender *sender, uint64_t now, bool crowded) {
    Send *send, *next;

    if (crowded)
        sender->crowded_until = now + STALL_USEC;
    TAILQ_FOREACH_SAFE (send, &sender->active, link, next)
        sender_check_progress(send, now);
}
