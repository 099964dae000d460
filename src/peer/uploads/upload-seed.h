// SPDX-License-Identifier: MIT
#pragma once

// B's side of a DOWNLOAD. A connection is a stranger until its request names something that is
// shared; then it goes to the uploads' thread, where it waits for a slot and is sent, and is a
// transfer.

#include <stdint.h>

#include "peer/uploads/upload-server.h"

// Takes over a connection that does not speak HTTP. `deadline`: when its request must be there.
void upload_seed_start(UploadServer *server, int fd, const Endpoint *remote, uint64_t deadline);

// In the control loop, when nothing comes from the thread any more.
void upload_seed_free_all(UploadServer *server);
