# SPDX-License-Identifier: MIT
"""All that one test has started."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from harness.bus import Bus
from harness.daemons import Daemon, Ft, Peer


class World:
    """Everything that one test has started, which it ends: the fixture `world`."""

    def __init__(self, tmp):
        self.tmp = pathlib.Path(tmp)
        self.things = []  # in the order of their making
        self.names = {}
        self.public = []

    def _name(self, kind):
        self.names[kind] = self.names.get(kind, 0) + 1
        return kind if self.names[kind] == 1 else f"{kind}{self.names[kind]}"

    def _keep(self, thing):
        self.things.append(thing)
        return thing

    def bus(self, **options):
        return self._keep(Bus(**options))

    def ft(self, bus=None, kind=Ft, **options):
        """An Ft, on its own bus unless one is given."""
        options.setdefault("name", self._name("ft"))
        start = options.pop("start", True)
        ft = self._keep(kind(self.tmp, bus or self.bus(), start=False, **options))
        return ft.start() if start else ft

    def peer(self, ft, shares=None, bus=None, **options):
        """A Peer, on its own bus unless one is given. It shares one small file unless `shares` says
        otherwise."""
        options.setdefault("name", self._name("peer"))
        start = options.pop("start", True)
        if shares is None:
            shares = [self.file(f"filler-of-{options['name']}.txt", b"filler\n")]
        peer = self._keep(Peer(self.tmp, bus or self.bus(), ft, shares, start=False, **options))
        return peer.start() if start else peer

    def server(self, server):
        """Takes over a ScriptedServer, FakeFt or fake_source()."""
        return self._keep(server)

    def file(self, name, content=b"hello body\n", directory="files", mtime=None):
        """Makes a file and returns its path."""
        path = self.tmp / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def directory(self, name):
        path = self.tmp / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def public_directory(self):
        """A directory that every user can enter, unlike tmp. It is removed with the test."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-public-", dir="/tmp"))
        path.chmod(0o755)
        self.public.append(path)
        return path

    def logs(self):
        """[(name, text)] for the report of a failure."""
        return [(thing.name, thing.log) for thing in self.things
                if isinstance(thing, Daemon) and thing.log_path.exists()]  # close() may have failed

    def close(self):
        """Ends everything, then raises the first error."""
        wrong = []
        for thing in reversed(self.things):
            try:
                thing.cleanup() if isinstance(thing, Daemon) else thing.stop()
            except BaseException as error:  # noqa: B902: the rest must end too
                wrong.append(error)
        for path in self.public:
            subprocess.run(["chmod", "-R", "u+rwX", path], check=False)  # one who is not root needs that
            shutil.rmtree(path, ignore_errors=True)
        if wrong:
            raise wrong[0]
