// SPDX-License-Identifier: MIT
#pragma once

// A download from the call to the end: finds who has the file, fetches it from them, verified where
// they say what it is (swarm.h), as the seed has it where they do not (download-seed.h), and puts
// it under its name only when it is whole. One into download-dir is a promise: it is kept across
// restarts of the daemon, and waits for sources as long as it takes.

#include "peer/downloads/download-choice.h"
#include "peer/downloads/downloads.h"

// Starts a download of `file_name` (valid). `destination` >= 0: the caller's own file
// (download_target_is_usable()), taken over on success; download-dir otherwise. `owner`: who asked
// for it. Search and transfer go on by themselves. 0; -ENOTCONN: not joined; -EMFILE, -EBUSY: too
// many transfers, searches; -errno.
int download_start(Downloads *downloads, const char *file_name, const DownloadFilter *filter,
                   uid_t owner, int destination, Transfer **ret);

// Takes up what was promised before a restart.
void download_restore_all(Downloads *downloads);
// FT has been joined: those that wait search again.
void download_retry_all(Downloads *downloads);
