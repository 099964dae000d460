// SPDX-License-Identifier: MIT
#pragma once

// A's side of a DOWNLOAD: find who has the file, ask one after the other until one delivers, and put the
// file under its name only when it is whole.

#include "peer/peer.h"

// Which of the found records will do; what is not set does not matter.
typedef struct DownloadFilter {
    const char *type;
    const uint64_t *size;
    const IpAddress *address;
    const uint16_t *port;
} DownloadFilter;

// Whether a caller's descriptor will do as a destination: a regular file, open for reading and writing.
bool download_destination_ok(int fd);

// Starts a download of `file_name` (valid). `destination` >= 0: the caller's own file
// (download_destination_ok()), taken over on success; the destination is download-dir otherwise. Search and transfer go on by
// themselves. 0; -ENOTCONN: not joined; -EMFILE, -EBUSY: too many transfers, searches; -errno.
int download_start(Peer *peer, const char *file_name, const DownloadFilter *filter, int destination,
                   Transfer **ret);
