# SPDX-License-Identifier: MIT
"""The part of systemd that keeps file descriptors for a service while it restarts: FDSTORE=1, FDSTOREREMOVE=1,
BARRIER=1, and LISTEN_FDS, LISTEN_FDNAMES at its next start."""

import array
import os
import socket

from harness.daemons import Ft
from harness.notify import Notify

# Puts the descriptors where the daemon looks for them, which has to have this very PID.
EXEC = """
import fcntl, os, sys
given = [int(fd) for fd in sys.argv[1].split(",") if fd]
fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in given]  # out of the way of the places below
for fd in given:
    os.close(fd)
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
if fds:
    os.environ |= {"LISTEN_FDS": str(len(fds)), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": sys.argv[2]}
os.execv(sys.argv[3], sys.argv[3:])
"""


class StoringNotify(Notify):
    """A Notify that stores descriptors as systemd 252 does."""

    def __init__(self, path, store, size):
        self.store = store  # [(name, fd)], outlives this
        self.size = size  # FileDescriptorStoreMax=
        super().__init__(path)

    def _read(self):
        space = socket.CMSG_SPACE(4 * 768)
        while True:
            message, control, _, _ = self.socket.recvmsg(4096, space, socket.MSG_CMSG_CLOEXEC)
            if not message:
                return
            fds = array.array("i")
            for _, _, data in control:
                fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
            self._handle(dict(line.split("=", 1) for line in message.decode().splitlines()), list(fds))
            with self.changed:
                self.messages.append(message.decode())
                self.changed.notify_all()

    def _handle(self, message, fds):
        name = message.get("FDNAME", "stored")
        if message.get("FDSTOREREMOVE") == "1":
            for stored, fd in [entry for entry in self.store if entry[0] == name]:
                self.store.remove((stored, fd))
                os.close(fd)
        if message.get("FDSTORE") == "1":
            while fds and len(self.store) < self.size:
                self.store.insert(0, (name, fds.pop(0)))  # the newest comes first, as in systemd
        for fd in fds:  # one with BARRIER=1 is closed to say that all before it has been handled
            os.close(fd)


class ManagedFt(Ft):
    """An Ft whose service manager stores descriptors for it."""

    store_max = 132  # as in p2p-ft.service
    nofile = None  # LimitNOFILE=

    def __init__(self, *args, **options):
        self.store = []
        super().__init__(*args, **options)

    def make_notify(self, path):
        return StoringNotify(path, self.store, self.store_max)

    def launch(self, argv):
        entries = list(self.store)
        limit = [] if self.nofile is None else ["/usr/bin/prlimit", f"--nofile={self.nofile}"]
        return ([*limit, "/usr/bin/python3", "-I", "-c", EXEC, ",".join(str(fd) for _, fd in entries),
                 ":".join(name for name, _ in entries), *argv],
                [fd for _, fd in entries])

    def names(self):
        return sorted(name for name, _ in self.store)

    def fd(self, name):
        return dict(self.store)[name]

    def replace(self, name, fd):
        """Replaces a descriptor that the next start gets."""
        os.close(self.fd(name))
        self.store[:] = [(n, fd if n == name else f) for n, f in self.store]

    def restart(self):
        """Does what `systemctl restart` does."""
        self.stop()
        self.start()

    def release(self):
        """Closes the stored descriptors, as systemd does when a unit has stopped."""
        while self.store:
            os.close(self.store.pop()[1])

    def cleanup(self):
        try:
            super().cleanup()
        finally:
            self.release()
