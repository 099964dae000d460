// SPDX-License-Identifier: MIT
#pragma once

// The sandbox of p2p-peer.service, seen from outside: what hides a path from it, and a drop-in that takes this away
// (systemd.exec(5)). No path is ever shown by name: systemd would look it up as root, following links, at each start, and
// whoever owns the directory above it could put a link to somebody's secrets there.

#include <stdbool.h>
#include <systemd/sd-bus.h>

#define PEER_UNIT "p2p-peer.service"

// A setting that hides all that is below some directories.
typedef struct Hiding Hiding;

// The setting in force that hides that path; NULL: none that we know.
const Hiding *sandbox_unit_hides(sd_bus *bus, const char *path);
// "PrivateTmp"
const char *hiding_name(const Hiding *hiding);
// "PrivateTmp=no", which shows what is there, to be read only.
const char *hiding_setting(const Hiding *hiding);
// Whether one setting hides, or would hide, both paths.
bool sandbox_unit_alike(const char *path, const char *other);

// Writes /etc/systemd/system/p2p-peer.service.d/share-NAME.conf with the setting that shows what is hidden with that path
// (-ENOENT: there is none); takes it away again. 0 or -errno.
int sandbox_unit_show(const char *name, const char *path);
int sandbox_unit_unshow(const char *name);

// Has systemd read its units again, and restarts the service if it runs; returns when it is ready. 0, or -errno with what
// systemctl printed on stderr.
int sandbox_unit_apply(void);
