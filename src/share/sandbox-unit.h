// SPDX-License-Identifier: MIT
#pragma once

// The sandbox of p2p-peer.service, seen from outside: which setting hides a path from it, and a
// drop-in that changes the setting (systemd.exec(5)). A drop-in never names the path. systemd would
// look that up as root at each start, and follow links, so the owner of a directory above it could
// put a link to a secret there.

#include <stdbool.h>
#include <systemd/sd-bus.h>

#define PEER_UNIT "p2p-peer.service"

// A setting that hides everything below some directories.
typedef struct Hiding Hiding;

// The active setting that hides the path; NULL: none that we know.
const Hiding *sandbox_unit_hides(sd_bus *bus, const char *path);
// "PrivateTmp"
const char *hiding_name(const Hiding *hiding);
// "PrivateTmp=no": shows what is there, read-only.
const char *hiding_setting(const Hiding *hiding);
// Whether the same setting hides, or would hide, both paths.
bool sandbox_unit_alike(const char *path, const char *other);

// sandbox_unit_show() writes /etc/systemd/system/p2p-peer.service.d/share-NAME.conf with the
// setting that shows the path (-ENOENT: none hides it). sandbox_unit_unshow() removes that file. 0
// or -errno.
int sandbox_unit_show(const char *name, const char *path);
int sandbox_unit_unshow(const char *name);

// Makes systemd read its units again, and restarts the service if it runs. Returns when it is
// ready. 0, or -errno after systemctl has printed the error.
int sandbox_unit_apply(void);
