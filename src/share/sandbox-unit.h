// SPDX-License-Identifier: MIT
#pragma once

// The sandbox of p2p-peer.service, seen from outside: what hides a path from it, and a drop-in that shows it (systemd.exec(5)).

#include <stdbool.h>
#include <systemd/sd-bus.h>

#define PEER_UNIT "p2p-peer.service"

// The setting of the unit that hides that path, such as "PrivateTmp=yes". Caller frees; NULL: none that we know.
char *sandbox_unit_hides(sd_bus *bus, const char *path);

// Whether a unit file can name the path without quoting that the settings do not share.
bool sandbox_unit_can_show(const char *path);

// Writes /etc/systemd/system/p2p-peer.service.d/share-NAME.conf with BindReadOnlyPaths=; takes it away again. 0 or -errno.
int sandbox_unit_show(sd_bus *bus, const char *name, const char *path);
int sandbox_unit_unshow(const char *name);

// Has systemd read its units again, and restarts the service if it runs; returns when it is ready. 0, or -errno with what
// systemctl printed on stderr.
int sandbox_unit_apply(void);
