// SPDX-License-Identifier: MIT
#pragma once

// Tries whether a peer can be reached where FT publishes it: connects, and closes without a word. Strangers decide how
// much there is to try, so that few are tried at once, and not many in a second; the others wait in turn.

#include <systemd/sd-event.h>

#include "net/poller.h"
#include "proto/message.h"
#include "util/address.h"
#include "util/macro.h"

typedef struct Prober Prober;
typedef struct Probe Probe;

int prober_new(sd_event *event, Poller *poller, Prober **ret); // 0 or -errno
Prober *prober_free(Prober *prober);                           // all probes must be gone
DEFINE_CLEANUP_FUNC(Prober, prober_free)

// Called once, from the loop; the probe is gone then.
typedef void (*ProbeHandler)(Reachability result, void *userdata);

// 0 or -ENOMEM.
int prober_try(Prober *prober, const Endpoint *remote, ProbeHandler handler, void *userdata,
               Probe **ret);
// Nobody waits for it any more. NULL is none.
Probe *probe_free(Probe *probe);
