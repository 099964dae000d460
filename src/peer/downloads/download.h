// SPDX-License-Identifier: MIT
#pragma once

// One download, from the call to the end. It asks FT which peers have the file and fetches it from
// them. If they announce a root, it verifies each piece (swarm.h); otherwise it uses the DOWNLOAD
// of the seed protocol (download-seed.h). The file gets its name only when it is complete.
//
// A download into download-dir is promised: it survives restarts of the daemon, and it waits for
// sources without a time limit.

#include "peer/downloads/download-choice.h"
#include "peer/downloads/downloads.h"

// Starts a download of `file_name`, which must be valid. It then searches and fetches in the
// background. `destination` >= 0: the caller's own file (download_target_is_usable()), owned by the
// download on success; otherwise the file goes to download-dir. `owner`: the user who asked for it.
// 0; -ENOTCONN: not joined; -EMFILE: too many transfers; -EBUSY: too many searches; -errno.
int download_start(Downloads *downloads, const char *file_name, const DownloadFilter *filter,
                   uid_t owner, int destination, Transfer **ret);

// Resumes the downloads that were promised before a restart.
void download_restore_all(Downloads *downloads);
// The peer has joined FT: waiting downloads search again.
void download_retry_all(Downloads *downloads);
