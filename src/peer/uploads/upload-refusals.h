// SPDX-License-Identifier: MIT
#pragma once

// Counts the refused requests by cause, and logs some of them. Only one thread may use an
// UploadRefusals, except that any thread may read the counts.

#include <stdatomic.h>
#include <stdint.h>

#include "util/address.h"
#include "util/log.h"

typedef enum UploadRefusal {
    UPLOAD_NO_REQUEST, // neither a DOWNLOAD nor a valid HTTP request
    UPLOAD_NOT_SHARED,
    UPLOAD_UNREADABLE, // the file is shared, but cannot be opened or has changed
    UPLOAD_BUSY,       // too many clients wait for a slot
    _UPLOAD_REFUSAL_COUNT,
} UploadRefusal;

const char *upload_refusal_name(UploadRefusal refusal);

typedef struct UploadRefusals {
    LogLimit limits[_UPLOAD_REFUSAL_COUNT];
    _Atomic uint64_t counts[_UPLOAD_REFUSAL_COUNT];
} UploadRefusals;

// `what` is the request as it arrived, `len` bytes; `why` is part of a sentence.
void upload_refused(UploadRefusals *refusals, UploadRefusal refusal, const Endpoint *remote,
                    const char *what, size_t len, const char *why);
