# SPDX-License-Identifier: MIT
"""A fake systemd on D-Bus that tells p2pctl the state of our units."""

import dbus
import dbus.service

from harness.glib_bus import GlibBus


class FakeUnit(dbus.service.Object):
    def __init__(self, systemd, program):
        self.systemd, self.program = systemd, program
        super().__init__(systemd.glib_bus.link,
                         f"/org/freedesktop/systemd1/unit/{program.replace('-', '_2d')}_2eservice")

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, prop):  # pylint: disable=invalid-name
        assert interface == "org.freedesktop.systemd1.Unit"
        self.systemd.asked.append((self.program, str(prop)))
        load, active, sub = self.systemd.units.get(self.program, ("not-found", "inactive", "dead"))
        return {"LoadState": load, "ActiveState": active, "SubState": sub}[prop]


class FakeSystemd:
    """units: {program: (LoadState, ActiveState, SubState)}; any other unit is not installed. .asked
    lists (program, property)."""

    def __init__(self, bus, units=None):
        self.units, self.asked = units or {}, []
        self.glib_bus = GlibBus(bus)
        self.objects = [FakeUnit(self, program) for program in ("p2p-peer", "p2p-ft")]
        self.glib_bus.serve("org.freedesktop.systemd1")

    def stop(self):
        self.glib_bus.close()
