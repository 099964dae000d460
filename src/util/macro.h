// SPDX-License-Identifier: MIT
#pragma once

// Small helpers for every file: ownership attributes, array sizes, safe list loops.

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#define _cleanup_(f)    __attribute__((cleanup(f)))
#define _printf_(a, b)  __attribute__((format(printf, a, b)))
#define _nonnull_(a)    __attribute__((nonnull(a)))
#define _unused_        __attribute__((unused))
#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(close_fdp)
#define ELEMENTSOF(a)   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))
#define USEC_PER_SEC    UINT64_C(1000000)
#define USEC_PER_MSEC   UINT64_C(1000)

#define container_of(ptr, type, member)                             \
    ({                                                              \
        const typeof(((type *)0)->member) *_member = (ptr);         \
        (type *)(void *)((char *)_member - offsetof(type, member)); \
    })

// Hands the value over and clears the variable, so that its cleanup attribute frees nothing.
#define TAKE_PTR(ptr)               \
    ({                              \
        typeof(ptr) _taken = (ptr); \
        (ptr) = NULL;               \
        _taken;                     \
    })

#define TAKE_FD(fd)        \
    ({                     \
        int _taken = (fd); \
        (fd) = -EBADF;     \
        _taken;            \
    })

// Makes `_cleanup_(x_freep) Type *x` possible for a `Type *x_free(Type *)` that returns NULL.
#define DEFINE_CLEANUP_FUNC(Type, func)    \
    static inline void func##p(Type **p) { \
        if (*p)                            \
            *p = func(*p);                 \
    }

static inline void freep(void *p) {
    free(*(void **)p);
}

// Closes fd if it is set. Returns the value of an unset fd, so that `fd = close_fd(fd)` clears it.
static inline int close_fd(int fd) {
    if (fd >= 0) {
        int saved = errno;

        close(fd);
        errno = saved;
    }
    return -EBADF;
}

static inline void close_fdp(int *fd) {
    close_fd(*fd);
}

// glibc's sys/queue.h has no loop that survives the removal of the current element.
#define TAILQ_FOREACH_SAFE(var, head, field, next) \
    for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT(var, field), 1); (var) = (next))
#define LIST_FOREACH_SAFE(var, head, field, next) \
    for ((var) = LIST_FIRST(head); (var) && ((next) = LIST_NEXT(var, field), 1); (var) = (next))
