// SPDX-License-Identifier: MIT
#pragma once

// A restart that peers do not notice. What FT has is in systemd's store of file descriptors (FileDescriptorStoreMax= of
// the unit) while no FT runs:
//
//   p2p-ft-listen    the socket that FT listens on, from its start on, unless it is systemd's (p2p-ft.socket)
//   p2p-ft-state     a sealed memfd (ft-state.h), and
//   p2p-ft-sessions  sockets in whose queues the sockets of the sessions lie, in thousands: both from its end on
//
// systemd keeps them if the unit is restarted, by hand or after a crash, and closes them all if it is stopped:
// FT needs not know which.

#include "ft/ft.h"

enum {
    // Enough for a million sessions (LimitNOFILE= of the unit); FileDescriptorStoreMax= is two more.
    FT_QUEUES_MAX = 130,
};

// What systemd has passed.
typedef struct FdStore {
    int listen_fds[FT_LISTENERS_MAX]; // for ft_listen(), which takes them over
    size_t listen_count;
    int state_fd;                 // owned; -EBADF: none
    int queue_fds[FT_QUEUES_MAX]; // owned
    size_t queue_count;
} FdStore;

#define FD_STORE_NONE ((FdStore){.state_fd = -EBADF})

// What was listened on and is not configured any more is closed.
void fd_store_take(const FtConfig *config, FdStore *ret);
void fd_store_done(FdStore *fd_store);

// After ft_listen(): goes on with the sessions. What cannot be read is thrown away, and said in the log.
void ft_deserialize(Ft *ft, FdStore *fd_store);

// Hands everything over, as the last thing before ft_free(). Does nothing without systemd.
void ft_serialize(const Ft *ft);
