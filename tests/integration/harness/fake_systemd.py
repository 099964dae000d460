# SPDX-License-Identifier: MIT
"""systemd as p2pctl asks it on D-Bus what a unit is."""

import threading

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop, threads_init
from gi.repository import GLib

from harness import DEADLINE

threads_init()


class FakeUnit(dbus.service.Object):
    def __init__(self, systemd, program):
        self.systemd, self.program = systemd, program
        super().__init__(systemd.link, f"/org/freedesktop/systemd1/unit/{program.replace('-', '_2d')}_2eservice")

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, prop):  # pylint: disable=invalid-name
        assert interface == "org.freedesktop.systemd1.Unit"
        self.systemd.asked.append((self.program, str(prop)))
        load, active, sub = self.systemd.units.get(self.program, ("not-found", "inactive", "dead"))
        return {"LoadState": load, "ActiveState": active, "SubState": sub}[prop]


class FakeSystemd:
    """units: {program: (LoadState, ActiveState, SubState)}; any other is not installed. .asked: (program, property)."""

    def __init__(self, bus, units=None):
        self.units, self.asked = units or {}, []
        self.loop = GLib.MainLoop()
        self.link = dbus.bus.BusConnection(bus.address, mainloop=DBusGMainLoop())
        self.objects = [FakeUnit(self, program) for program in ("p2p-peer", "p2p-ft")]
        self.link.request_name("org.freedesktop.systemd1")
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()

    def stop(self):
        if self.thread.is_alive():
            done = threading.Event()
            GLib.idle_add(lambda: (self.link.close(), self.loop.quit(), done.set()) and False)
            assert done.wait(DEADLINE)
            self.thread.join(DEADLINE)
