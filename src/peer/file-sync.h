// SPDX-License-Identifier: MIT
#pragma once

// fdatasync(2) off the loop: it may take as long as the disk likes.

#include "util/work.h"

// 0 or -errno.
typedef void (*FileSyncHandler)(int result, void *userdata);

// `fd` is the caller's own. work_free(*ret) may be called in the handler, and instead of waiting for it.
// 0 or -errno.
int file_sync_start(sd_event *event, int fd, FileSyncHandler handler, void *userdata, Work **ret);
