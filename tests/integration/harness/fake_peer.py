# SPDX-License-Identifier: MIT
"""A fake p2p-peer on D-Bus, for p2pctl. A test decides its states, also those that the real daemon
is in too briefly, or only when something is broken."""

import os

import dbus
import dbus.service

from harness.bus import ERROR, PEER, PEER_PATH, TRANSFER
from harness.glib_bus import GlibBus
from harness.waiting import wait_for

PROPERTIES = "org.freedesktop.DBus.Properties"
TYPES = {"Id": dbus.UInt32, "Size": dbus.UInt64, "Transferred": dbus.UInt64, "Started": dbus.UInt64,
         "QueuePlace": dbus.UInt32, "Verified": dbus.Boolean, "Since": dbus.UInt64,
         "Sources": lambda value: dbus.Array(value, signature="s"),
         "Shares": lambda value: dbus.Array([dbus.Struct((p, dbus.UInt64(n), s, e)) for p, n, s, e in value],
                                            signature="(stss)")}


def typed(properties):
    return dbus.Dictionary({key: TYPES.get(key, dbus.String)(value) for key, value in properties.items()},
                           signature="sv")


class FakeTransfer(dbus.service.Object):
    """A download that a client asked for. .options: the options of the call. .calls: the methods
    called since. .fd: the destination, or None."""

    def __init__(self, peer, number, name, options):
        self.peer, self.name, self.options, self.calls = peer, name, dict(options), []
        destination = self.options.pop("destination", None)
        self.fd = destination.take() if destination is not None else None
        self.ends_as = "cancelled"  # what Cancel makes of it
        self.pauses = True  # when it is told to, and not when the test says so
        self.path = f"{PEER_PATH}/transfer/{number}"
        stem, _, extension = name.rpartition(".")
        self.properties = {
            "Id": number, "Direction": "download", "Name": stem or name, "Type": extension if stem else "file",
            "Size": 0, "Transferred": 0, "State": peer.begins_as if self.fd is None else "searching", "Sources": [], "QueuePlace": 0, "Path": "",
            "Root": "", "Verified": False, "Started": 1_788_696_720_000_000, "Error": "", "ErrorMessage": ""}
        self.properties = {key: value for key, value in self.properties.items() if key not in peer.lacks}
        super().__init__(peer.glib_bus.link, self.path)

    def set(self, **properties):
        """Changes properties and sends one signal for them."""
        def change():
            self.properties.update(properties)
            self.PropertiesChanged(TRANSFER, typed(properties), [])
        self.peer.glib_bus.do(change)

    def write(self, data, offset=0):
        os.pwrite(self.fd, data, offset)

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return typed(self.properties)

    @dbus.service.method(TRANSFER)
    def Cancel(self):
        self.calls.append("Cancel")
        self.close()  # the lock on it is shared with p2pctl
        self.properties["State"] = self.ends_as
        self.PropertiesChanged(TRANSFER, typed(self.properties), [])

    @dbus.service.method(TRANSFER)
    def Pause(self):
        self.calls.append("Pause")
        if self.pauses:
            self.properties["State"] = "paused"
            self.PropertiesChanged(TRANSFER, typed(self.properties), [])

    @dbus.service.method(TRANSFER)
    def Resume(self):
        self.calls.append("Resume")
        self.properties["State"] = "searching"
        self.PropertiesChanged(TRANSFER, typed(self.properties), [])


class FakePeer(dbus.service.Object):
    """Owns the name of p2p-peer on a bus. found: {name: [(name, type, size, date, address, port,
    root or None)]}. lacks: properties of a transfer that an older daemon does not have."""

    def __init__(self, bus, lacks=()):
        self.bus, self.lacks = bus, lacks
        self.found, self.unanswered, self.transfers = {}, set(), []
        self.begins_as = "connecting"  # a transfer into the daemon's own directory
        self.properties = {"Version": "0", "State": "joined", "Reason": "", "Since": 1_788_696_720_000_000,
                           "FileTracker": "ft.example.org:5555", "Address": "192.0.2.1:5556", "Reachable": "unknown",
                           "DownloadDirectory": "/srv/downloads", "Shares": []}
        self.glib_bus = GlibBus(bus)
        super().__init__(self.glib_bus.link, PEER_PATH)
        self.glib_bus.serve(PEER)

    def share(self, name, *records):
        """Adds records (size, port, root or None) of that name, with equal dates and addresses."""
        stem, _, extension = name.rpartition(".")
        self.found[name] = [(stem or name, extension if stem else "file", size, "2026-09-06", "192.0.2.9", port, root)
                            for size, port, root in records]
        return self

    def wait_transfer(self, number=1):
        """Waits for the call of Download with that number, and returns its transfer."""
        wait_for(lambda: len(self.transfers) >= number, f"Download number {number}")
        return self.transfers[number - 1]

    def stop(self):
        """Leaves the bus as a daemon that has died."""
        self.glib_bus.close()
        for transfer in self.transfers:
            transfer.close()

    @dbus.service.method(PEER, in_signature="s", out_signature="a(sstssqa{sv})")
    def Search(self, name):
        if name in self.unanswered:
            raise dbus.DBusException("the FileTracker does not answer", name=ERROR + "NoAnswer")
        return [(n, t, dbus.UInt64(size), date, address, dbus.UInt16(port),
                 dbus.Dictionary({"root": root, "later": dbus.UInt32(1)} if root else {}, signature="sv"))
                for n, t, size, date, address, port, root in self.found.get(str(name), [])]

    @dbus.service.method(PEER, in_signature="sa{sv}", out_signature="o")
    def Download(self, name, options):
        transfer = FakeTransfer(self, len(self.transfers) + 1, str(name), options)
        self.transfers.append(transfer)
        return dbus.ObjectPath(transfer.path)

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return typed(self.properties)

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return typed(self.properties)[name]

    @dbus.service.method("org.freedesktop.DBus.ObjectManager", out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        return {transfer.path: {TRANSFER: typed(transfer.properties)} for transfer in self.transfers}
