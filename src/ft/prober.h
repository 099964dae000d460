// SPDX-License-Identifier: MIT
#pragma once

// Tries whether a peer can be reached where FT publishes it: connects, and closes without a word. Strangers decide how
// much there is to try, so that few are tried at once, fewer of one site, and not many in a second; the others wait, and
// the sites have their turns one after another.

#include <systemd/sd-event.h>

#include "ft/admission.h"
#include "net/poller.h"
#include "proto/message.h"
#include "util/address.h"
#include "util/macro.h"

typedef struct Prober Prober;
typedef struct Probe Probe;

enum {
    // At once. A peer that can be reached has answered within a moment, so that more are needed only where none can.
    PROBES_PER_SITE = 4,
};

int prober_new(sd_event *event, Poller *poller, Prober **ret); // 0 or -errno
Prober *prober_free(Prober *prober);                           // all probes must be gone
DEFINE_CLEANUP_FUNC(Prober, prober_free)

// Called once, from the loop; the probe is gone then.
typedef void (*ProbeHandler)(Reachability result, void *userdata);

// `site` is that of the session which asks, and must not be another one's before the probe is gone. 0 or -ENOMEM.
int prober_try(Prober *prober, SiteId site, const Endpoint *remote, ProbeHandler handler,
               void *userdata, Probe **ret);
// Nobody waits for it any more. NULL is none.
Probe *probe_free(Probe *probe);
