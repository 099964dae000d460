# SPDX-License-Identifier: MIT
"""A connection to a private bus for a fake service, and the thread that serves it."""

import threading

import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop, threads_init
from gi.repository import GLib

from harness.waiting import DEADLINE

threads_init()


class GlibBus:
    """.link is the connection. Objects are exported on it before serve() takes the name."""

    def __init__(self, bus):
        self.loop = GLib.MainLoop()
        self.link = dbus.bus.BusConnection(bus.address, mainloop=DBusGMainLoop())
        self.thread = threading.Thread(target=self.loop.run, daemon=True)

    def serve(self, name):
        self.link.request_name(name)
        self.thread.start()

    def do(self, action):
        """Runs the action in the thread that owns the connection, and raises what it raises."""
        done, errors = threading.Event(), []

        def run():
            try:
                action()
            except Exception as error:  # raised again below
                errors.append(error)
            done.set()
            return False

        GLib.idle_add(run)
        assert done.wait(DEADLINE)
        if errors:
            raise errors[0]

    def close(self):
        """Leaves the bus as a service that has died."""
        if self.thread.is_alive():
            self.do(self.link.close)
            self.loop.quit()
            self.thread.join(DEADLINE)
