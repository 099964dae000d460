// SPDX-License-Identifier: MIT
#pragma once

// A restart that peers do not notice. While no FT runs, systemd keeps what FT had, in the unit's
// file descriptor store (FileDescriptorStoreMax=):
//
//   p2p-ft-listen    the listening socket, from the start of FT, unless it came from p2p-ft.socket
//   p2p-ft-state     a sealed memfd (ft-state.h), written when FT ends
//   p2p-ft-sessions  sockets whose queues hold those of thousands of sessions, made when FT ends
//
// systemd keeps them when the unit is restarted, by hand or after a crash. It closes them when the
// unit is stopped. FT need not know which of the two will happen.

#include "ft/ft.h"

enum {
    // Enough for a million sessions (LimitNOFILE= of the unit). FileDescriptorStoreMax= is two
    // more.
    FT_QUEUES_MAX = 130,
};

// The file descriptors that systemd has passed.
typedef struct FdStore {
    int listen_fds[FT_LISTENERS_MAX]; // for ft_listen(), which takes ownership
    size_t listen_count;
    int state_fd;                 // owned; -EBADF: none
    int queue_fds[FT_QUEUES_MAX]; // owned
    size_t queue_count;
} FdStore;

#define FD_STORE_NONE ((FdStore){.state_fd = -EBADF})

// Takes what systemd has passed. Closes a listening socket whose address is no longer configured.
void fd_store_take(const FtConfig *config, FdStore *ret);
void fd_store_done(FdStore *fd_store);

// Restores the sessions; call it after ft_listen(). What cannot be restored is dropped and logged.
void ft_deserialize(Ft *ft, FdStore *fd_store);

// Hands all sessions to systemd; call it right before ft_free(). Does nothing without systemd.
void ft_serialize(const Ft *ft);
