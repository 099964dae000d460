# SPDX-License-Identifier: MIT
"""A private bus, the names that the daemons have on it, and calls made with busctl."""

import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile

from harness.environment import SOURCE, clean_env
from harness.process import Process, as_user
from harness.waiting import DEADLINE

PEER = "org.p2pshare.Peer1"
PEER_PATH = "/org/p2pshare/Peer1"
TRANSFER = "org.p2pshare.Transfer1"
FT = "org.p2pshare.FileTracker1"
FT_PATH = "/org/p2pshare/FileTracker1"
ERROR = "org.p2pshare.Error."


class BusError(Exception):
    """A method call was refused. busctl prints the message of an error and not its name: use
    error_name() where the name matters."""


class Bus:
    """A private bus of type system, with our policy files. Every user can enter its directory, so
    that a test can run as nobody."""

    def __init__(self, owner=None, services=None):
        """owner: another user ID that may own our names. services: a directory of service files,
        without which the bus starts nothing."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-bus-", dir="/tmp"))
        self.dir.chmod(0o755)
        includes = []
        for policy in sorted((SOURCE / "dbus").glob("*.conf")):
            text = policy.read_text()
            # The policy lets root own the names: here that is whoever runs the tests.
            user = os.geteuid() if owner is None else owner
            if user != 0:
                text = text.replace('user="root"', f'user="{user}"')
            # The users of an installation may be missing here; the bus would warn about each.
            text = re.sub(r'<policy user="p2p-[a-z]+">.*?</policy>', "", text, flags=re.S)
            copy = self.dir / policy.name
            copy.write_text(text)
            includes.append(f"<include>{copy}</include>")
        config = self.dir / "bus.conf"
        config.write_text(
            '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"\n'
            ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
            "<busconfig>\n"
            "  <type>system</type>\n"
            f"  <listen>unix:path={self.dir}/socket</listen>\n"
            "  <auth>EXTERNAL</auth>\n"
            # As in Debian's /usr/share/dbus-1/system.conf.
            '  <policy context="default">\n'
            '    <allow user="*"/>\n'
            '    <deny own="*"/>\n'
            '    <deny send_type="method_call"/>\n'
            '    <allow send_type="signal"/>\n'
            '    <allow send_requested_reply="true" send_type="method_return"/>\n'
            '    <allow send_requested_reply="true" send_type="error"/>\n'
            '    <allow receive_type="method_call"/>\n'
            '    <allow receive_type="method_return"/>\n'
            '    <allow receive_type="error"/>\n'
            '    <allow receive_type="signal"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus.Introspectable"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus.Properties"/>\n'
            "  </policy>\n"
            # As their own policies; root is a fake one.
            '  <policy user="root"><allow own="org.freedesktop.PolicyKit1"/><allow own="org.freedesktop.systemd1"/></policy>\n'
            '  <policy context="default"><allow send_destination="org.freedesktop.PolicyKit1"/>'
            '<allow send_destination="org.freedesktop.systemd1"/></policy>\n'
            + (f"  <servicedir>{services}</servicedir>\n" if services else "")
            + "".join(f"  {include}\n" for include in includes)
            + "</busconfig>\n"
        )
        self._start()

    def _start(self):
        read_fd, write_fd = os.pipe()
        try:
            self.process = Process(
                ["/usr/bin/dbus-daemon", f"--config-file={self.dir}/bus.conf", "--nofork", "--nosyslog",
                 f"--print-address={write_fd}"],
                self.dir / "bus.log", clean_env(), pass_fds=[write_fd])
        finally:
            os.close(write_fd)
        # The address comes when the bus listens; end of file comes if it died instead.
        with open(read_fd) as pipe:
            ready, _, _ = select.select([pipe], [], [], DEADLINE)
            # Without its GUID, which is another one after a restart: a system's address has none,
            # either.
            self.address = pipe.readline().strip().split(",guid=")[0] if ready else ""
        if not self.address:
            log = self.process.log
            self.stop()
            raise AssertionError(f"no bus: {log}")

    def restart(self):
        """Starts it again at the same address. All clients are disconnected."""
        self.process.kill()
        self._start()

    @property
    def env(self):
        """The environment in which sd_bus_open_system() and sd_bus_open_user() connect to this
        bus."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.address, "DBUS_SESSION_BUS_ADDRESS": self.address}

    def busctl(self, *args, uid=None, check=True):
        """Runs busctl, as the user `uid` if given. With `check`, a failure raises BusError."""
        argv = ["/usr/bin/busctl", f"--address={self.address}", "--json=short", *map(str, args)]
        result = subprocess.run(as_user(uid) + argv, capture_output=True, text=True, errors="replace",
                                env=clean_env(), timeout=DEADLINE)
        if check and result.returncode != 0:
            raise BusError(result.stderr.strip())
        return result

    def call(self, name, path, interface, method, signature="", *args, uid=None):
        """Returns the arguments of the reply: None, a single value, or a list."""
        extra = [signature, *args] if signature else []
        # A request that waits for a slow FT may take its time.
        out = self.busctl("--timeout=25", "--", "call", name, path, interface, method, *extra,
                          uid=uid).stdout
        data = json.loads(out)["data"] if out.strip() else []
        return None if not data else data[0] if len(data) == 1 else data

    def get(self, name, path, interface, prop, uid=None):
        out = self.busctl("get-property", name, path, interface, prop, uid=uid).stdout
        return json.loads(out)["data"]

    def get_all(self, name, path, interface):
        """All properties as a dict."""
        reply = self.call(name, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
        return {key: value["data"] for key, value in reply.items()}

    def owner(self, name):
        """The unique name that owns `name`, or None."""
        try:
            return self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", name)
        except BusError:
            return None

    def stop(self):
        self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def error_name(bus, name, path, interface, method, *args):
    """Returns the name of the D-Bus error that a call gets, or None if it succeeds. It runs gdbus,
    which prints names; the arguments are GVariant text."""
    argv = ["/usr/bin/gdbus", "call", "--address", bus.address, "--dest", name, "--object-path", path,
            "--method", f"{interface}.{method}", *map(str, args)]
    result = subprocess.run(argv, capture_output=True, text=True, env=clean_env(), timeout=DEADLINE)
    if result.returncode == 0:
        return None
    found = re.search(r"GDBus\.Error:([A-Za-z0-9_.]+):", result.stderr)
    return found[1] if found else result.stderr.strip()
