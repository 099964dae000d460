// SPDX-License-Identifier: MIT

#include "ft/ft-restart.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "ft/ft-state.h"
#include "util/log.h"
#include "util/time-util.h"

#define NAME_LISTEN   "p2p-ft-listen"
#define NAME_STATE    "p2p-ft-state"
#define NAME_SESSIONS "p2p-ft-sessions"

enum {
    SOCKETS_AT_ONCE = 253, // SCM_MAX_FD of the kernel
    // The kernel takes less than a kilobyte for a message that carries sockets. So many of them fit
    // a queue whatever net.core.wmem_default is (Debian: 208 KiB).
    QUEUE_BATCHES = 32,
};

// systemd may be as busy as the whole machine, but it does not wait for disks.
static const uint64_t BARRIER_USEC = 5 * USEC_PER_SEC;

// The sockets of the sessions [first, first + n), as one message. The state describes the sessions.
typedef struct SocketBatch {
    uint32_t first;
    size_t n;
    int fds[SOCKETS_AT_ONCE];
} SocketBatch;

// Queues that hold the sockets. systemd keeps the reading end of each.
typedef struct SocketQueues {
    int readers[FT_QUEUES_MAX];
    size_t n;
    int writer;  // of the last queue
    size_t room; // batches that still fit the last queue
    SocketBatch batch;
} SocketQueues;

typedef union SocketControl {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * SOCKETS_AT_ONCE)];
} SocketControl;

static void fd_store_put(const char *name, const int fds[], size_t n) {
    char text[128];
    int r;

    // FDPOLL=0: a queue has no writer any more, so systemd would see a hangup and drop it.
    snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
    r = sd_pid_notify_with_fds(0, false, text, fds, n);
    if (r < 0)
        log_warning("Cannot hand a file descriptor to systemd: %s", strerror(-r));
}

static void fd_store_remove(const char *name) {
    (void)sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static void socket_queues_done(SocketQueues *queues) {
    for (size_t i = 0; i < queues->n; i++)
        close_fd(queues->readers[i]);
    close_fd(queues->writer);
}

static int socket_queues_open(SocketQueues *queues) {
    int pair[2];

    if (queues->n == FT_QUEUES_MAX)
        return -EAGAIN;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    queues->readers[queues->n++] = pair[0];
    close_fd(queues->writer); // gives the previous queue an end
    queues->writer = pair[1];
    queues->room = QUEUE_BATCHES;
    return 0;
}

static int socket_queues_send_batch(SocketQueues *queues) {
    SocketBatch *batch = &queues->batch;
    const size_t len = sizeof(int) * batch->n;
    struct iovec iov = {.iov_base = &batch->first, .iov_len = sizeof(batch->first)};
    SocketControl control = {};
    const struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(len),
    };
    int r = 0;

    if (batch->n == 0)
        return 0;
    if (queues->room == 0)
        r = socket_queues_open(queues);
    if (r < 0)
        return r;
    control.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET,
        .cmsg_type = SCM_RIGHTS,
        .cmsg_len = CMSG_LEN(len),
    };
    memcpy(CMSG_DATA(&control.header), batch->fds, len);
    if (sendmsg(queues->writer, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -errno;
    queues->room--;
    batch->first += batch->n;
    batch->n = 0;
    return 0;
}

static int restart_save_session(const Ft *ft, const Session *session, StateWriter *writer) {
    SavedSession saved;
    uint32_t cursor = 0;
    Record record;
    int r;

    session_save(session, &saved);
    // FT is about to close it as a slow reader, or it was reset. The next FT would reject the whole
    // state because of it.
    if (saved.in_len > SAVED_IN_BYTES_MAX || saved.out_len > SAVED_OUT_BYTES_MAX)
        return -E2BIG;
    r = state_write_session(writer, &saved);
    if (!session->owner)
        return r;
    while (r >= 0 && index_owner_next(ft->index, session->owner, &cursor, &record))
        r = state_write_record(writer, &record);
    return r;
}

static int restart_save_list(const Ft *ft, const SessionList *list, StateWriter *writer,
                             SocketQueues *queues) {
    SocketBatch *batch = &queues->batch;
    const Session *session;
    int r = 0;

    TAILQ_FOREACH (session, list, link) {
        r = restart_save_session(ft, session, writer);
        if (r == -E2BIG)
            continue;
        if (r < 0)
            return r;
        batch->fds[batch->n++] = session->stream.fd;
        if (batch->n == SOCKETS_AT_ONCE)
            r = socket_queues_send_batch(queues);
        if (r < 0)
            return r;
    }
    return 0;
}

// Puts the sockets into queues. A socket that does not fit is closed, even if the state has its
// session.
static int restart_save_sessions(const Ft *ft, StateWriter *writer, SocketQueues *queues) {
    const uint32_t count = ft->accepted_count + ft->waiting_count;
    int r;

    r = restart_save_list(ft, &ft->accepted, writer, queues);
    if (r >= 0)
        r = restart_save_list(ft, &ft->waiting, writer, queues);
    if (r >= 0)
        r = socket_queues_send_batch(queues);
    if (r == -EAGAIN || r == -ETOOMANYREFS) {
        log_warning("Only %" PRIu32 " of %" PRIu32 " sessions can be kept over a restart",
                    queues->batch.first, count);
        r = 0;
    }
    return r;
}

static int restart_serialize(const Ft *ft) {
    _cleanup_(state_writer_done) StateWriter writer;
    _cleanup_(socket_queues_done) SocketQueues queues = {.writer = -EBADF};
    _cleanup_close_ int state = -EBADF;
    int r;

    r = state_writer_init(&writer);
    if (r < 0)
        return r;
    r = restart_save_sessions(ft, &writer, &queues);
    if (r < 0)
        return r;
    r = state = state_writer_finish(&writer);
    if (r < 0)
        return r;
    queues.writer = close_fd(queues.writer);
    fd_store_put(NAME_STATE, &state, 1);
    fd_store_put(NAME_SESSIONS, queues.readers, queues.n);
    // systemd drops what is still in its socket when this process ends.
    r = sd_notify_barrier(false, BARRIER_USEC);
    if (r < 0)
        log_warning("systemd has not confirmed that it keeps the sessions: %s", strerror(-r));
    return 0;
}

void ft_serialize(const Ft *ft) {
    const uint32_t count = ft->accepted_count + ft->waiting_count;
    uint64_t begin = time_monotonic();
    int r;

    if (count == 0 || !getenv("NOTIFY_SOCKET"))
        return;
    r = restart_serialize(ft);
    if (r < 0)
        log_warning("The sessions cannot be kept over a restart: %s", strerror(-r));
    else
        log_info("%" PRIu32 " session%s with systemd, for the next p2p-ft (%" PRIu64 " ms)", count,
                 count == 1 ? " is" : "s are", (time_monotonic() - begin) / USEC_PER_MSEC);
}

static bool restart_is_configured(int fd, const Endpoint *listen) {
    SocketAddress sockaddr = {};
    socklen_t len = sizeof(sockaddr);
    Endpoint endpoint;

    if (getsockname(fd, &sockaddr.sa, &len) < 0)
        return false;
    endpoint = endpoint_from_sockaddr(&sockaddr);
    return address_equal(&endpoint.address, &listen->address) &&
           (endpoint.port == listen->port || listen->port == 0);
}

static void fd_store_take_listener(const FtConfig *config, FdStore *fd_store, const char *name,
                                   int fd) {
    if (strcmp(name, NAME_LISTEN) == 0 && !restart_is_configured(fd, &config->listen)) {
        // systemd must close it, too, before FT opens another one: the new address may include the
        // old one.
        fd_store_remove(NAME_LISTEN);
        (void)sd_notify_barrier(false, BARRIER_USEC);
    } else if (fd_store->listen_count < FT_LISTENERS_MAX) {
        fd_store->listen_fds[fd_store->listen_count++] = fd;
        return;
    } else
        log_warning("p2p-ft listens on %d sockets at most", FT_LISTENERS_MAX);
    close_fd(fd);
}

static void fd_store_take_fd(const FtConfig *config, FdStore *fd_store, const char *name, int fd) {
    if (strcmp(name, NAME_STATE) == 0) {
        close_fd(fd_store->state_fd);
        fd_store->state_fd = fd;
    } else if (strcmp(name, NAME_SESSIONS) == 0 && fd_store->queue_count < FT_QUEUES_MAX)
        fd_store->queue_fds[fd_store->queue_count++] = fd;
    else if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, true) > 0)
        fd_store_take_listener(config, fd_store, name, fd);
    else
        close_fd(fd);
}

void fd_store_take(const FtConfig *config, FdStore *ret) {
    char **names = NULL;
    int n;

    *ret = FD_STORE_NONE;
    n = sd_listen_fds_with_names(true, &names);
    for (int i = 0; i < n; i++) {
        fd_store_take_fd(config, ret, names[i], SD_LISTEN_FDS_START + i);
        free(names[i]);
    }
    free(names);
}

void fd_store_done(FdStore *fd_store) {
    for (size_t i = 0; i < fd_store->listen_count; i++)
        fd_store->listen_fds[i] = close_fd(fd_store->listen_fds[i]);
    fd_store->state_fd = close_fd(fd_store->state_fd);
    while (fd_store->queue_count > 0)
        close_fd(fd_store->queue_fds[--fd_store->queue_count]);
}

// The sockets by the number of their session; -EBADF: no socket.
typedef struct Sockets {
    int *fds;
    size_t n;
} Sockets;

static void sockets_done(Sockets *sockets) {
    for (size_t i = 0; i < sockets->n; i++)
        close_fd(sockets->fds[i]);
    free(sockets->fds);
}

static void sockets_place(Sockets *sockets, uint32_t first, const struct cmsghdr *control) {
    const size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
        return;
    for (size_t i = 0; i < n; i++) {
        const size_t at = first + i;
        int fd;

        memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
        if (at >= sockets->n || sockets->fds[at] >= 0)
            close_fd(fd);
        else
            sockets->fds[at] = fd;
    }
}

// Empties the queue.
static void sockets_receive_queue(int fd, Sockets *sockets) {
    for (;;) {
        uint32_t first = UINT32_MAX;
        struct iovec iov = {.iov_base = &first, .iov_len = sizeof(first)};
        SocketControl control;
        struct msghdr message = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = &control,
            .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
            sockets_place(sockets, first, c);
    }
}

static int sockets_receive(const FdStore *fd_store, uint32_t count, Sockets *ret) {
    Sockets sockets = {.n = count};

    sockets.fds = malloc(count * sizeof(int) ?: 1);
    if (!sockets.fds)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        sockets.fds[i] = -EBADF;
    for (size_t i = 0; i < fd_store->queue_count; i++)
        sockets_receive_queue(fd_store->queue_fds[i], &sockets);
    *ret = sockets;
    return 0;
}

// Whether the socket is still connected to the address that the state has for it.
static bool restart_is_connected(int fd, const Endpoint *remote) {
    SocketAddress sockaddr = {};
    socklen_t len = sizeof(sockaddr);
    Endpoint endpoint;

    if (fd < 0 || getpeername(fd, &sockaddr.sa, &len) < 0)
        return false;
    endpoint = endpoint_from_sockaddr(&sockaddr);
    return endpoint_equal(&endpoint, remote);
}

// Reads the records of one session, even if there is no session to add them to.
static int restart_deserialize_records(StateReader *reader, Session *session) {
    RecordText text;
    Record record;
    int r, failed = 0;

    while ((r = state_read_record(reader, &text, &record)) > 0)
        if (session && failed == 0)
            failed = session_add_record(session, &record);
    return r < 0 ? r : failed;
}

// Restores one session if its socket is alive, and takes the socket then. 0, or -EBADMSG: the state
// is damaged.
static int restart_deserialize_session(Ft *ft, StateReader *reader, const SavedSession *saved,
                                       int *fd) {
    Session *session = NULL;
    int r;

    if (ft->accepted_count + ft->waiting_count < ft->config.max_peers &&
        ft_config_allows(&ft->config, &saved->remote.address) &&
        restart_is_connected(*fd, &saved->remote))
        session = session_restore(ft, TAKE_FD(*fd), saved);
    r = restart_deserialize_records(reader, session);
    if (session && (r < 0 || session_resume(session, saved) < 0))
        session_free(session);
    return r == -EBADMSG ? r : 0;
}

static int restart_deserialize_all(Ft *ft, StateReader *reader, const FdStore *fd_store) {
    _cleanup_(sockets_done) Sockets sockets = {};
    const uint32_t count = reader->sessions;
    SavedSession saved;
    int r;

    // A session takes more than one byte.
    if (count > reader->len)
        return -EBADMSG;
    r = sockets_receive(fd_store, count, &sockets);
    if (r < 0)
        return r;
    for (uint32_t i = 0; (r = state_read_session(reader, &saved)) > 0; i++) {
        r = restart_deserialize_session(ft, reader, &saved, &sockets.fds[i]);
        if (r < 0)
            break;
    }
    if (r < 0)
        ft_close_sessions(ft);
    return r;
}

// Insists on seals: if somebody truncated the file, reading the mapping would raise SIGBUS.
static int restart_map_state(int fd, void **ret, size_t *ret_len) {
    const int needed = F_SEAL_SHRINK | F_SEAL_WRITE;
    const int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    void *data;

    if (seals < 0 || (seals & needed) != needed || fstat(fd, &st) < 0 || st.st_size == 0)
        return -EBADMSG;
    data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    *ret = data;
    *ret_len = st.st_size;
    return 0;
}

static int restart_deserialize(Ft *ft, const FdStore *fd_store, uint32_t *ret_count) {
    StateReader reader;
    void *data = NULL;
    size_t len = 0;
    int r;

    r = restart_map_state(fd_store->state_fd, &data, &len);
    if (r < 0)
        return r;
    r = state_read_begin(&reader, data, len);
    if (r >= 0) {
        *ret_count = reader.sessions;
        r = restart_deserialize_all(ft, &reader, fd_store);
    }
    munmap(data, len);
    return r;
}

void ft_deserialize(Ft *ft, FdStore *fd_store) {
    uint64_t begin = time_monotonic();
    uint32_t count = 0, gone_on;
    int r;

    if (fd_store->listen_count == 0) {
        const int fd = listener_fd(ft->listeners[0]);

        fd_store_put(NAME_LISTEN, &fd, 1);
    }
    if (fd_store->state_fd < 0 && fd_store->queue_count == 0)
        return;
    // Remove it before reading it: a state that crashes this FT must not crash the next one as
    // well.
    fd_store_remove(NAME_STATE);
    fd_store_remove(NAME_SESSIONS);
    r = restart_deserialize(ft, fd_store, &count);
    fd_store_done(fd_store);
    gone_on = ft->accepted_count + ft->waiting_count;
    if (r < 0) {
        log_warning("Cannot restore the sessions of the previous p2p-ft (%s): they are closed, and "
                    "the peers "
                    "will join again",
                    r == -EBADMSG           ? "damaged"
                    : r == -EPROTONOSUPPORT ? "another version wrote it"
                                            : strerror(-r));
        return;
    }
    log_info("%" PRIu32 " of %" PRIu32 " sessions go on, with %" PRIu64 " record%s (%" PRIu64
             " ms)",
             gone_on, count, index_records(ft->index), index_records(ft->index) == 1 ? "" : "s",
             (time_monotonic() - begin) / USEC_PER_MSEC);
}
