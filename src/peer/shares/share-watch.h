// SPDX-License-Identifier: MIT
#pragma once

// Says when the shares must be walked again: inotify on every directory that the last walk has
// seen. What has happened there does not count, only that something has; a walk is cheap beside
// what could be missed.
//
//        an event                 1 s without one, or 10 s in all
//     idle ───────► settling ─────────────────────────────────────► on_change ──► walk
//      ▲                          and nine times the last walk's                   │
//      └───────────────────────── own time since its end ◄─────────────────────────┘
//
// Where not everything can be watched, there is a walk every ten minutes besides.

#include <stdint.h>
#include <systemd/sd-event.h>

#include "peer/shares/watch-set.h"
#include "util/macro.h"

typedef struct ShareWatch ShareWatch;

typedef void (*ShareWatchHandler)(void *userdata);

int share_watch_new(sd_event *event, ShareWatchHandler on_change, void *userdata, ShareWatch **ret);
ShareWatch *share_watch_free(ShareWatch *watch);
DEFINE_CLEANUP_FUNC(ShareWatch, share_watch_free)

// For a walk that begins now, whoever has asked for it. 0 or -ENOMEM.
int share_watch_begin(ShareWatch *watch, WatchSet **ret);
// It has ended. Takes the set over; NULL: it has failed.
void share_watch_end(ShareWatch *watch, WatchSet *set);

// Somebody else has seen a change.
void share_watch_poke(ShareWatch *watch);

// Why changes may be seen late, in words; "": everything is watched.
const char *share_watch_problem(const ShareWatch *watch);
