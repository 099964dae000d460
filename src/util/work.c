// SPDX-License-Identifier: MIT

#include "util/work.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "util/thread-util.h"

struct Work {
    const WorkOps *ops;
    void *job;
    void *userdata;
    sd_event_source *source;
    int event_fd;
    atomic_int refs;      // one for the thread, one for the loop
    atomic_bool finished; // hands the job from the thread to the loop
};

static void work_unref(Work *work) {
    if (atomic_fetch_sub(&work->refs, 1) > 1)
        return;
    work->ops->free(work->job);
    close_fd(work->event_fd);
    free(work);
}

static void *work_thread_main(void *arg) {
    Work *work = arg;

    thread_give_way();
    work->ops->run(work->job);
    atomic_store(&work->finished, true);
    (void)eventfd_write(work->event_fd, 1);
    work_unref(work);
    return NULL;
}

static int work_on_done(sd_event_source *source _unused_, int fd _unused_,
                        uint32_t revents _unused_, void *userdata) {
    Work *work = userdata;

    if (!atomic_load(&work->finished))
        return 0;
    (void)sd_event_source_set_enabled(work->source, SD_EVENT_OFF);
    atomic_fetch_add(&work->refs, 1); // `done` may free it
    work->ops->done(work->job, work->userdata);
    work_unref(work);
    return 0;
}

int work_start(sd_event *event, const WorkOps *ops, void *job, void *userdata, Work **ret) {
    pthread_attr_t attr;
    pthread_t thread;
    Work *work;
    int r;

    work = calloc(1, sizeof(*work));
    if (!work) {
        ops->free(job);
        return -ENOMEM;
    }
    work->ops = ops;
    work->job = job;
    work->userdata = userdata;
    atomic_init(&work->refs, 1);
    work->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = work->event_fd < 0 ? -errno : 0;
    if (r >= 0)
        r = sd_event_add_io(event, &work->source, work->event_fd, EPOLLIN, work_on_done, work);
    if (r < 0) {
        work_free(work);
        return r;
    }

    atomic_fetch_add(&work->refs, 1);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    r = -pthread_create(&thread, &attr, work_thread_main, work);
    pthread_attr_destroy(&attr);
    if (r < 0) {
        work_unref(work);
        work_free(work);
        return r;
    }
    *ret = work;
    return 0;
}

Work *work_free(Work *work) {
    if (!work)
        return NULL;
    work->source = sd_event_source_disable_unref(work->source);
    work_unref(work);
    return NULL;
}

Work *work_join(Work *work) {
    struct pollfd pollfd = {.events = POLLIN};

    if (!work)
        return NULL;
    pollfd.fd = work->event_fd;
    while (!atomic_load(&work->finished))
        (void)poll(&pollfd, 1, -1);
    return work_free(work);
}
