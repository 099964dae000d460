// SPDX-License-Identifier: MIT
#pragma once

// Tests whether a peer can be reached at the address that FT publishes: connects, then closes
// without sending anything. Strangers decide how many probes there are. So few run at once, fewer
// per site, and not many start in a second. The others wait, and the sites take turns.

#include <systemd/sd-event.h>

#include "ft/admission.h"
#include "net/poller.h"
#include "proto/message.h"
#include "util/address.h"
#include "util/macro.h"

typedef struct Prober Prober;
typedef struct Probe Probe;

enum {
    // At once. A reachable peer answers within a moment; more would only help unreachable ones.
    PROBES_PER_SITE = 4,
};

int prober_new(sd_event *event, Poller *poller, Prober **ret); // 0 or -errno
Prober *prober_free(Prober *prober);                           // all probes must be gone
DEFINE_CLEANUP_FUNC(Prober, prober_free)

// Called once, from the loop. The probe has been freed by then.
typedef void (*ProbeHandler)(Reachability result, void *userdata);

// `site` is the site of the session that asks. It must stay this session's until the probe is gone.
// 0 or -ENOMEM.
int prober_try(Prober *prober, SiteId site, const Endpoint *remote, ProbeHandler handler,
               void *userdata, Probe **ret);
// Cancels the probe. NULL is allowed.
Probe *probe_free(Probe *probe);
