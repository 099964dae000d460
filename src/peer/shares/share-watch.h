// SPDX-License-Identifier: MIT
#pragma once

// Says when the shares must be walked again. It has an inotify watch on every directory that the
// last walk saw. It does not look at what an event says, only that there was one: a walk costs
// little, and a missed change would cost more.
//
//        an event                 1 s without one, or 10 s in all
//     idle ───────► settling ─────────────────────────────────────► on_change ──► walk
//      ▲                          and nine times the last walk's                   │
//      └───────────────────────── own time since its end ◄─────────────────────────┘
//
// If some directories cannot be watched, it also asks for a walk every ten minutes.

#include <stdint.h>
#include <systemd/sd-event.h>

#include "peer/shares/watch-set.h"
#include "util/macro.h"

typedef struct ShareWatch ShareWatch;

typedef void (*ShareWatchHandler)(void *userdata);

int share_watch_new(sd_event *event, ShareWatchHandler on_change, void *userdata, ShareWatch **ret);
ShareWatch *share_watch_free(ShareWatch *watch);
DEFINE_CLEANUP_FUNC(ShareWatch, share_watch_free)

// Call it when a walk begins, whoever asked for the walk. The caller owns *ret until
// share_watch_end(). 0 or -ENOMEM.
int share_watch_begin(ShareWatch *watch, WatchSet **ret);
// Call it when the walk has ended. Takes the set over; NULL: the walk failed.
void share_watch_end(ShareWatch *watch, WatchSet *set);

// Reports a change that somebody else saw.
void share_watch_poke(ShareWatch *watch);

// Why the peer may notice changes late, as text for people; "": everything is watched.
const char *share_watch_problem(const ShareWatch *watch);
