// SPDX-License-Identifier: MIT
#pragma once

// The serving side of a DOWNLOAD. A connection only becomes a transfer when its request names a
// shared file. It then goes to the uploads' thread, which waits for a slot and sends the file.

#include <stdint.h>

#include "peer/uploads/upload-server.h"

// Takes ownership of a connection that does not speak HTTP. `deadline`: when its request must be
// complete, CLOCK_MONOTONIC µs.
void upload_seed_start(UploadServer *server, int fd, const Endpoint *remote, uint64_t deadline);

// Call this in the control loop, after the thread has stopped.
void upload_seed_free_all(UploadServer *server);
