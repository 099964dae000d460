// SPDX-License-Identifier: MIT
#pragma once

// Who got nothing, by cause: counted, and some of them logged. One thread's; the counts may be read
// by any.

#include <stdatomic.h>
#include <stdint.h>

#include "util/address.h"
#include "util/log.h"

typedef enum UploadRefusal {
    UPLOAD_NO_REQUEST, // neither a DOWNLOAD nor HTTP that can be answered
    UPLOAD_NOT_SHARED,
    UPLOAD_UNREADABLE, // it is shared, and cannot be opened, or is another file by now
    UPLOAD_BUSY,       // too many wait for a slot
    _UPLOAD_REFUSAL_COUNT,
} UploadRefusal;

const char *upload_refusal_name(UploadRefusal refusal);

typedef struct UploadRefusals {
    LogLimit limits[_UPLOAD_REFUSAL_COUNT];
    _Atomic uint64_t counts[_UPLOAD_REFUSAL_COUNT];
} UploadRefusals;

// `what` is what was asked for, as it came; `why` a part of a sentence.
void upload_refused(UploadRefusals *refusals, UploadRefusal refusal, const Endpoint *remote,
                    const char *what, size_t len, const char *why);
