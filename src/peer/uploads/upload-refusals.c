// SPDX-License-Identifier: MIT

#include "peer/uploads/upload-refusals.h"

#include "util/log-id.h"
#include "util/text.h"

static const char *const names[] = {
    [UPLOAD_NO_REQUEST] = "no-request",
    [UPLOAD_NOT_SHARED] = "not-shared",
    [UPLOAD_UNREADABLE] = "unreadable",
    [UPLOAD_BUSY] = "busy",
};
_Static_assert(ELEMENTSOF(names) == _UPLOAD_REFUSAL_COUNT, "each refusal has a name");

const char *upload_refusal_name(UploadRefusal refusal) {
    return names[refusal];
}

void upload_refused(UploadRefusals *refusals, UploadRefusal refusal, const Endpoint *remote,
                    const char *what, size_t len, const char *why) {
    _cleanup_free_ char *shown = text_escape(what, len);
    char text[ENDPOINT_TEXT_MAX];

    refusals->counts[refusal]++;
    endpoint_format(remote, text);
    log_limited(&refusals->limits[refusal], LOG_INFO,
                &(LogFields){.id = EVENT_REFUSED, .peer = text},
                "Refused %s the request \"%s\": %s", text, shown ?: "", why);
}
